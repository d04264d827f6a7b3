"""Files that are read at once say what they say line by line, and the others are left to be read so."""

import json
from pathlib import Path

import pandas as pd
import pytest

import analysis
from greenkd.records import LedgerRow, TrialRow
from greenkd.records.checksum import KEY, with_check
from greenkd.records.lines import parse_lines
from greenkd.records.whole_files import whole_fields, whole_rows
from tests.analysis.plans import GRID, grid
from tests.analysis.sweeps import write_campaign

LEDGER = frozenset({"phase", "trial", "cpu_kwh", "gpu_kwh", "images", "warnings", "cpu_source"})
TRIALS = frozenset({"trial", "status", "params", "cause"})


def line_by_line(content: bytes) -> list[dict[str, object]]:
    return [fields for _, fields in parse_lines(content)[0]]


def checked(fields: dict[str, object]) -> bytes:
    kept = {name: value for name, value in fields.items() if name != KEY}
    return with_check(json.dumps(kept, separators=(",", ":")).encode()) + b"\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = write_campaign(tmp_path, grid(0, *GRID))
    for path in folder.glob("*.jsonl"):
        path.write_bytes(b"".join(checked(json.loads(line)) for line in path.read_bytes().splitlines()))
    return folder


@pytest.mark.parametrize(("name", "kind", "names"), [("ledger", LedgerRow, LEDGER), ("trials", TrialRow, TRIALS)])
def test_fields_are_those_of_the_lines(folder: Path, name: str, kind: type, names: frozenset[str]) -> None:
    content = (folder / f"{name}.jsonl").read_bytes()
    rows = whole_fields(content, kind, names)
    assert rows is not None
    for row, fields in zip(rows, line_by_line(content), strict=True):
        assert json.dumps({key: row[key] for key in names}) == json.dumps({key: fields[key] for key in names})
        assert row.keys() == {*names, "schema_version"}


def test_rows_are_those_of_the_lines(folder: Path) -> None:
    content = (folder / "trials.jsonl").read_bytes()
    rows = whole_rows(content, TrialRow)
    assert rows is not None
    assert [vars(row) for row in rows] == [
        {name: value for name, value in fields.items() if name != KEY} for fields in line_by_line(content)
    ]


def test_frames_are_the_same_without_checksums(folder: Path, tmp_path: Path) -> None:
    at_once = analysis.load(tmp_path)
    for path in folder.glob("*.jsonl"):
        rows = [json.loads(line) for line in path.read_bytes().splitlines()]
        path.write_text("".join(json.dumps({key: row[key] for key in row if key != KEY}) + "\n" for row in rows))
    each_line = analysis.load(tmp_path)

    for name in ("campaigns", "trials", "ledger", "epochs"):
        pd.testing.assert_frame_equal(getattr(at_once, name), getattr(each_line, name))
    assert {type(warnings) for warnings in each_line.ledger["warnings"]} == {tuple}


def test_no_file_is_an_empty_one() -> None:
    assert whole_rows(b"", TrialRow) == []


@pytest.mark.parametrize("kind", ["torn", "no check", "changed", "halves", "newer", "type", "word", "lacking"])
def test_what_needs_a_closer_look_is_not_read(folder: Path, kind: str) -> None:
    content = (folder / "trials.jsonl").read_bytes()
    first, *others = content.splitlines(keepends=True)
    fields = json.loads(first)
    without = dict(list(fields.items())[:-1])
    del without["train_loss"]

    replaced = {
        "torn": first[:40],
        "no check": first[: first.index(b',"check"')] + b"}\n",
        "changed": first.replace(b"complete", b"failed"),
        "halves": first.replace(b',"epochs"', b'\n"epochs"'),
        "newer": checked(fields | {"schema_version": 3}),
        "type": checked(fields | {"status": 7}),
        "word": checked(fields | {"status": "paused for tea"}),
        "lacking": checked(without),
    }
    damaged = b"".join([*others, replaced[kind]])
    assert whole_rows(content, TrialRow) is not None
    assert whole_fields(damaged, TrialRow, frozenset({"trial", "status", "train_loss"})) is None
    assert whole_rows(damaged, TrialRow) is None
