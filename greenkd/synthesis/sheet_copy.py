"""The contact sheet in the sweep's folder, where the report finds it when the cache is gone."""

import shutil
from pathlib import Path

from greenkd.records import not_written
from greenkd.synthesis.making import SHEET
from greenkd.synthesis.pool import Pool


def copy_sheet(pool: Pool, sweep: Path) -> None:
    """Copies a pool's contact sheet to `<sweep>/pools/<key>.png`, unless it lies there.

    Raises:
        StorageError: The sweep's folder cannot be written.
    """
    source, target = pool.folder / SHEET, sweep / "pools" / f"{pool.record.key}.png"
    if target.exists() or not source.exists():
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    except OSError as error:
        raise not_written(target, error) from error
