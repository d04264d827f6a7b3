"""Reads a `.jsonl` file that others append to: each line once, and only whole lines."""

import os
from pathlib import Path
from typing import Generic

from greenkd.errors import RecordError
from greenkd.records.files import LinkError, open_file
from greenkd.records.lines import Row, parse_rows


class RowFollower(Generic[Row]):
    """Hands out the rows of a file as they come in.

    Args:
        path: The file, which need not be there yet.
        kind: What its lines are.
    """

    def __init__(self, path: Path, kind: type[Row]) -> None:
        self._path = path
        self._kind: type[Row] = kind
        self._read_to = 0  # bytes

    def new_rows(self) -> list[Row]:
        """Returns the rows that were appended since the last call. A line that is still being written comes later.

        Raises:
            RecordError: A whole line is of an unknown schema version, not a row of this kind, or the file is a link.
        """
        try:
            if self._path.stat().st_size <= self._read_to:
                return []
            with os.fdopen(open_file(self._path, os.O_RDONLY), "rb") as file:
                file.seek(self._read_to)
                content = file.read()
        except FileNotFoundError:
            return []
        except LinkError as error:
            raise RecordError(f"{self._path}: {error.strerror}") from error

        whole = content[: content.rfind(b"\n") + 1]
        self._read_to += len(whole)
        return parse_rows(whole, self._kind, self._path).rows
