"""Checksums: every single error is found, older records pass, and weights are told without torch as with it."""

import json
import zlib
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from greenkd.errors import DamagedRecordError, StorageError
from greenkd.records import LedgerRow, append_row, read_json, read_rows, write_json
from greenkd.records.checksum import CheckResult, verify, with_check
from greenkd.records.weights_digest import weights_problem
from greenkd.training.safetensors_io import load_tensors, save_tensors
from tests.records.test_files import ledger_row

documents = st.dictionaries(
    st.text(), st.text() | st.floats(allow_nan=False) | st.lists(st.integers()), min_size=1, max_size=4
)


@given(
    content=documents,
    indent=st.none() | st.just(2),
    position=st.floats(0, 1, exclude_max=True),
    bits=st.integers(1, 255),
)
def test_an_error_of_one_byte_is_found_or_leaves_the_content_alone(
    content: dict[str, object], indent: int | None, position: float, bits: int
) -> None:
    record = with_check(json.dumps(content, indent=indent).encode())
    assert json.loads(record) == content | {"check": json.loads(record)["check"]}
    assert verify(record) is CheckResult.AS_WRITTEN

    place = int(position * len(record))
    other = record[:place] + bytes([record[place] ^ bits]) + record[place + 1 :]
    if verify(other) is CheckResult.CHANGED:
        return
    try:
        read = json.loads(other)
    except ValueError:
        return
    assert content.items() <= read.items()  # the name of the checksum is another one: nothing vouches for the rest


def test_the_checksum_is_the_crc_32_of_the_line_without_it(tmp_path: Path) -> None:
    append_row(tmp_path / "ledger.jsonl", ledger_row(0, "τ"))
    line = (tmp_path / "ledger.jsonl").read_bytes().rstrip(b"\n")
    before, _, after = line.rpartition(b',"check":"')
    assert int(after[:8], 16) == zlib.crc32(before + b"}")


def test_changed_lines_are_left_out_and_rows_of_earlier_versions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    for number in range(4):
        append_row(path, ledger_row(number))
    old, flipped, sorted_anew, kept = path.read_text().splitlines()
    old = json.dumps({key: value for key, value in json.loads(old).items() if key != "check"})
    flipped = flipped.replace('"duration_s":2.0', '"duration_s":3.0')
    sorted_anew = json.dumps(json.loads(sorted_anew), sort_keys=True)
    path.write_text("\n".join([old, flipped, sorted_anew, kept]) + "\n")

    lines = read_rows(path, LedgerRow)
    assert [row.trial for row in lines.rows] == [0, 3]
    assert len(lines.changed) == 2
    assert lines.torn == []


def test_a_changed_document_is_refused_and_one_of_an_earlier_version_read(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"score": 0.71})
    (tmp_path / "b.json").write_text((tmp_path / "a.json").read_text().replace("0.71", "0.77"))
    with pytest.raises(DamagedRecordError, match=r"b\.json: was changed since it was written"):
        read_json(tmp_path / "b.json")
    (tmp_path / "c.json").write_text('{"score": 0.5}')
    assert read_json(tmp_path / "c.json") == {"score": 0.5}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.uint8])
def test_weights_are_told_without_torch_as_with_it(tmp_path: Path, dtype: torch.dtype) -> None:
    path = tmp_path / "weights.safetensors"
    save_tensors(
        path, {"b": torch.arange(6).reshape(2, 3).to(dtype), "a": torch.ones(()), "τ": torch.zeros(0)}, {"n": 1}
    )
    assert weights_problem(path) is None
    content = path.read_bytes()
    for place in (len(content) - 3, content.index(b"digest") + 14, content.index(b'"shape"') + 9):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert weights_problem(path) is not None
        with pytest.raises(StorageError):
            load_tensors(path)


def test_weights_whose_header_lost_its_name_are_not_taken_for_ours(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_tensors(path, {"a": torch.ones(2)}, {})
    path.write_bytes(path.read_bytes().replace(b'"greenkd"', b'"greenke"'))
    with pytest.raises(StorageError, match="holds no digest"):
        load_tensors(path)
