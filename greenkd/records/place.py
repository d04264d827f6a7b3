"""Where records may lie: in a folder of this machine, or one that it has mounted."""

import re

# Of two letters or more: `C://x` is a drive of Windows.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def address_problem(place: object) -> str | None:
    """Returns why a place cannot hold files where it is an address, such as `s3://bucket/x`, else None.

    As a path it would be a folder named `s3:` below the current one.

    Args:
        place: A path, or what was given as one.
    """
    if not _ADDRESS.match(str(place)):
        return None
    return (
        "an address, not a folder: give a folder of this machine, and copy it there afterwards "
        "(aws s3 sync, gsutil rsync, rclone copy)"
    )
