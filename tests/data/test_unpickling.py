"""Nothing a pickle asks for may be called; a marker file would tell."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from greenkd.data.unpickling import PickledArray, read_pickle
from greenkd.errors import DataError

from .layouts import python2_pickle


class Hostile:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(5))
def test_a_pickle_that_runs_code_is_refused(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "marker"
    data = pickle.dumps({"data": Hostile(f"touch {marker}"), "labels": []}, protocol=protocol)
    with pytest.raises(DataError, match=r"data_batch_1: not read, it asks for (posix|nt)\.system"):
        read_pickle(data, "data_batch_1")
    assert not marker.exists()
    pickle.loads(data)
    assert marker.exists(), "the pickle was harmless, so the test proved nothing"


@pytest.mark.parametrize(
    "name",
    [("builtins", "eval"), ("numpy", "load"), ("numpy.core.multiarray", "scalar"), ("copyreg", "_reconstructor")],
)
def test_every_other_name_is_refused(name: tuple[str, str]) -> None:
    data = b"c" + name[0].encode() + b"\n" + name[1].encode() + b"\n."
    with pytest.raises(DataError, match=f"it asks for {name[0]}.{name[1]}"):
        read_pickle(data, "x")


def test_reads_the_python2_layout() -> None:
    values = np.random.default_rng(0).integers(0, 256, (4, 300), dtype=np.uint8)
    data = python2_pickle({"data": values, "labels": [3, 1], "batch_label": "one"})
    assert pickle.loads(data, encoding="bytes")[b"labels"] == [3, 1]
    content = read_pickle(data, "x")
    assert isinstance(content, dict)
    assert content[b"labels"] == [3, 1]
    assert content[b"batch_label"] == b"one"
    assert isinstance(content[b"data"], PickledArray)
    assert np.array_equal(content[b"data"].values, values)


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_reads_a_cut_that_python_3_wrote_by_an_old_protocol(protocol: int) -> None:
    values = np.random.default_rng(1).integers(0, 256, (3, 200), dtype=np.uint8)
    data = pickle.dumps({b"data": values, "labels": [0, 2, 1], b"batch_label": b"\x00\xff"}, protocol=protocol)
    assert b"_codecs" in data
    content = read_pickle(data, "x")
    assert isinstance(content, dict)
    assert content["labels"] == [0, 2, 1]
    assert content[b"batch_label"] == b"\x00\xff"
    assert isinstance(content[b"data"], PickledArray)
    assert np.array_equal(content[b"data"].values, values)


ENCODE = b"\x80\x02c_codecs\nencode\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (ENCODE + b"X\x02\x00\x00\x00abX\x05\x00\x00\x00utf-8\x86R.", "something else than text in latin1"),
        (ENCODE + b"X\x02\x00\x00\x00abX\x06\x00\x00\x00base64\x86R.", "something else than text in latin1"),
        (ENCODE + b"K\x05X\x06\x00\x00\x00latin1\x86R.", "something else than text in latin1"),
        (ENCODE + b"X\x03\x00\x00\x00\xe2\x82\xacX\x06\x00\x00\x00latin1\x86R.", "latin-1"),
        (ENCODE + b"(NX\x05\x00\x00\x00nonceU\x01x\x86tb.", "a state"),
        (ENCODE + b"}b.", "a state"),
        (b"\x80\x02c_codecs\ndecode\nX\x01\x00\x00\x00aX\x06\x00\x00\x00latin1\x86R.", "_codecs.decode"),
        (b"\x80\x02ccodecs\nencode\nX\x01\x00\x00\x00aX\x06\x00\x00\x00latin1\x86R.", "codecs.encode"),
    ],
)
def test_encode_is_admitted_for_text_in_latin1_alone(data: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_pickle(data, "x")


def test_one_text_encoded_again_and_again_does_not_fill_the_memory() -> None:
    text = b"X" + (200_000).to_bytes(4, "little") + b"a" * 200_000 + b"q\x00"
    again = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
    with pytest.raises(DataError, match="longer than the file"):
        read_pickle(b"\x80\x02](" + text + again * 10_000 + b"e.", "x")


@pytest.mark.parametrize("order", ["C", "F"])
def test_reads_arrays_of_todays_numpy(order: str) -> None:
    values = np.asarray(np.arange(12, dtype=np.uint8).reshape(3, 4), order=order)
    content = read_pickle(pickle.dumps([values], protocol=4), "x")
    assert isinstance(content, list)
    assert np.array_equal(content[0].values, values)


@pytest.mark.parametrize(
    "array", [np.zeros(3), np.array([None, "x"], dtype=object), np.zeros(2, "S5"), np.zeros(2, ">i4")]
)
def test_refuses_arrays_of_anything_but_bytes(array: np.ndarray) -> None:
    with pytest.raises(DataError, match="something else than bytes"):
        read_pickle(pickle.dumps(array, protocol=4), "x")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x02",
        b"not a pickle",
        b"\x80\x02}r\xff\xff\xff\xff.",  # a table of four thousand million entries
        b"\x80\x02}p999999999999\n.",
        b"\x80\x02h\x05.",
        b"\x80\x02cnumpy\nndarray\n}b.",  # sets the state of the class itself
        b"\x80\x02cnumpy\nndarray\n)R(K\x01J\xff\xff\xff\x7f\x85cnumpy\ndtype\nU\x02u1\x85R\x89U\x01atb.",
    ],
)
def test_damage_is_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(DataError, match=r"^x: not read"):
        read_pickle(data, "x")


def test_any_truncation_is_an_error_of_ours() -> None:
    data = python2_pickle({"data": np.zeros((2, 5), np.uint8), "labels": [1, 2]})
    for length in range(len(data)):
        with pytest.raises(DataError):
            read_pickle(data[:length], "x")
