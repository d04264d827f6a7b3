"""Writes what the analysis makes: whole files or none, and never through a link."""

from pathlib import Path

from greenkd.records import write_bytes


def write_output(path: Path, content: str | bytes) -> Path:
    """Replaces a file that the analysis makes anew each time, and returns its path.

    A link in its place is replaced by the file, and what it leads to stays as it is: tables are no reason to write into
    somebody else's file. Folders may be links.

    Args:
        path: The file, whose folder is made if it is missing.
        content: Text, written in UTF-8, or bytes.

    Raises:
        OSError: Its folder cannot be made.
        StorageError: The file is not on disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()

    # Half of a surrogate pair, of a name that is no UTF-8, has no bytes of its own.
    write_bytes(path, content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace"))
    return path
