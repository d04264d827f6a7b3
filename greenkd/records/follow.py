"""Reads rows that processes append to their files: each line once, and only whole lines."""

import os
from pathlib import Path
from typing import Generic

from greenkd.errors import RecordError
from greenkd.records.files import LinkError, open_file
from greenkd.records.lines import Row, parse_rows
from greenkd.records.merging import merge_rows
from greenkd.records.row_files import row_files


class RowFollower(Generic[Row]):
    """Hands out the rows of one name as they come in, whichever process writes them.

    Args:
        path: The plain path of the rows, of which none need be there yet.
        kind: What they are.
    """

    def __init__(self, path: Path, kind: type[Row]) -> None:
        self._path = path
        self._kind: type[Row] = kind
        self._read_to: dict[Path, int] = {}  # bytes

    def new_rows(self) -> list[Row]:
        """Returns the rows that were appended since the last call. A line that is still being written comes later.

        Raises:
            RecordError: A whole line is of an unknown schema version, not a row of this kind, or a file is a link.
        """
        return merge_rows([self._new_rows(file) for file in row_files(self._path)], self._kind)

    def _new_rows(self, file: Path) -> list[Row]:
        read_to = self._read_to.get(file, 0)
        try:
            if file.stat().st_size <= read_to:
                return []
            with os.fdopen(open_file(file, os.O_RDONLY), "rb") as opened:
                opened.seek(read_to)
                content = opened.read()
        except FileNotFoundError:
            return []
        except LinkError as error:
            raise RecordError(f"{file}: {error.strerror}") from error

        whole = content[: content.rfind(b"\n") + 1]
        self._read_to[file] = read_to + len(whole)
        return parse_rows(whole, self._kind, file).rows
