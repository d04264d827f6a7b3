"""Edits of records as another version of greenkd would have written them: with a checksum that fits."""

import json
from pathlib import Path
from typing import Any

from greenkd.records import write_json
from greenkd.records.checksum import KEY, with_check


def edit_document(path: Path, **changes: Any) -> None:
    fields = json.loads(path.read_text())
    fields.pop(KEY, None)
    write_json(path, fields | changes)


def edit_lines(path: Path, **changes: Any) -> None:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row.pop(KEY, None)
    path.write_bytes(b"".join(with_check(json.dumps(row | changes).encode()) + b"\n" for row in rows))
