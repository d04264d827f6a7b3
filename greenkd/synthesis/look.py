"""Shows what a pool holds: its record in words, and a contact sheet as PNG.

greenkd pool cache/pools/0123456789abcdef
greenkd pool cache/pools/0123456789abcdef -o sheet.png
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from greenkd.errors import ConfigError
from greenkd.synthesis.contact_sheet import write_contact_sheet
from greenkd.synthesis.making import SHEET
from greenkd.synthesis.pool import load_pool


def main(arguments: Sequence[str] | None = None) -> None:
    """Describes one pool, as the command line says.

    Raises:
        ConfigError: There is no pool, or it is damaged.
        StorageError: The sheet cannot be written.
    """
    parser = argparse.ArgumentParser(
        prog="greenkd pool", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pool", type=Path, help="a folder in <cache_dir>/pools")
    parser.add_argument("-o", "--output", type=Path, help=f"the file to write (default: {SHEET} in that folder)")
    options = parser.parse_args(arguments)

    pool = load_pool(options.pool) if options.pool.is_dir() else None
    if pool is None:
        raise ConfigError(f"{options.pool}: holds no complete pool; give a folder of <cache_dir>/pools")

    record = pool.record
    counts = ", ".join(f"{label}: {count}" for label, count in enumerate(record.class_counts))
    print(f"{record.images} images to train on and {record.held_out} held out, transfer={record.transfer}")
    print(f"by the teacher's label: {counts}")

    sheet = options.output or options.pool / SHEET
    write_contact_sheet(sheet, pool.images.images.numpy(), pool.images.labels.numpy())
    print(f"written: {sheet}")


if __name__ == "__main__":
    main()
