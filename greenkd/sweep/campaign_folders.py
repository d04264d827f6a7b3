"""Folders of campaigns, made before anything is trained: a disk that is full or not writable is found in time."""

import tempfile
from pathlib import Path

from greenkd.errors import StorageError
from greenkd.records.files import refuse_links

# Free space without which no campaign begins: a full disk still takes an empty file.
ROOM_BYTES = 1 << 16
# In a campaign's folder: Hydra, filelock and SQLite open these.
_OPENED_BY_OTHERS = (".hydra", ".hydra/*", ".locks", ".locks/*", "*.log", "study.db")


def make_campaign_folder(folder: Path) -> None:
    """Makes a campaign's folder, tries whether it takes a file that is not empty, and whether links lie in wait.

    Raises:
        StorageError: It cannot be written, or a link lies in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(ROOM_BYTES))
            file.flush()
        refuse_links(folder, _OPENED_BY_OTHERS)
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be written ({error.strerror}); "
            "make it writable, or choose another place with hydra.sweep.dir=<folder> (hydra.run.dir without -m)"
        ) from error
