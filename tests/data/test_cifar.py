import dataclasses
import functools
import hashlib
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torchvision

from greenkd.data import Dataset, cifar, load, load_cifar10, load_cifar100
from greenkd.errors import DataError

from .layouts import cifar10_files, cifar100_files, python2_pickle, tar_gz, write_folder


def check(dataset: Dataset, images: np.ndarray, labels: list[int]) -> None:
    assert np.array_equal(dataset.train.images.numpy(), images)
    assert dataset.train.labels.tolist() == labels
    assert len(dataset.test) == 10
    assert dataset.class_names == tuple(f"c{n}" for n in range(10))


def publish(monkeypatch: pytest.MonkeyPatch, **facts: object) -> None:
    """Makes what is given the published facts of CIFAR-10."""
    monkeypatch.setattr(cifar, "CIFAR10", dataclasses.replace(cifar.CIFAR10, **facts))


def md5_sums(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.md5(data).hexdigest() for name, data in files.items()}


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-py"])
def test_reads_a_folder(tmp_path: Path, inner: str) -> None:
    files, images, labels = cifar10_files()
    write_folder(tmp_path / "cifar-10-batches-py", files)
    check(load_cifar10(root=tmp_path / inner, verify=False), images, labels)


@pytest.mark.parametrize("inner", ["", "cifar-10-python.tar.gz"])
def test_reads_an_archive(tmp_path: Path, inner: str) -> None:
    files, images, labels = cifar10_files()
    tar_gz(tmp_path / "cifar-10-python.tar.gz", {f"cifar-10-batches-py/{name}": data for name, data in files.items()})
    check(load_cifar10(root=tmp_path / inner, verify=False), images, labels)
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-python.tar.gz"], "something was unpacked to disk"


def test_reads_fine_labels(tmp_path: Path) -> None:
    write_folder(tmp_path / "cifar-100-python", cifar100_files())
    dataset = load_cifar100(root=tmp_path, verify=False)
    assert dataset.num_classes == 100
    assert dataset.train.labels.tolist() == [n for n in range(100) for _ in range(2)]
    assert dataset.class_names[99] == "f99"


@pytest.mark.parametrize("archive", [False, True])
def test_checks_the_published_sums_before_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: bool
) -> None:
    files, images, labels = cifar10_files()
    publish(monkeypatch, sums=md5_sums(files))

    def write(folder: Path, contents: dict[str, bytes]) -> Path:
        if not archive:
            return write_folder(folder / "cifar-10-batches-py", contents).parent
        folder.mkdir()
        members = {f"cifar-10-batches-py/{name}": data for name, data in contents.items()}
        return tar_gz(folder / "cifar-10-python.tar.gz", members).parent

    check(load_cifar10(root=write(tmp_path / "good", files)), images, labels)
    # Not even a pickle: had it been read first, the message would be another.
    bad = write(tmp_path / "bad", {**files, "data_batch_3": b"broken"})
    with pytest.raises(DataError, match=r"data_batch_3: MD5 sum .* published .*\n?.*dataset\.verify=false"):
        load_cifar10(root=bad)


def test_the_sums_are_the_published_ones() -> None:
    """Krizhevsky's page gives these two for the archives."""
    assert cifar.CIFAR10.md5 == "c58f30108f718f92721af3b95e74349a"
    assert cifar.CIFAR100.md5 == "eb9058c3a382ffc7106e4002c42a8d85"


@pytest.mark.parametrize(
    ("archive", "reference"),
    [(cifar.CIFAR10, torchvision.datasets.CIFAR10), (cifar.CIFAR100, torchvision.datasets.CIFAR100)],
)
def test_torchvision_states_the_same_facts(archive: cifar.Archive, reference: type) -> None:
    assert (archive.url, archive.file_name, archive.md5) == (reference.url, reference.filename, reference.tgz_md5)
    assert (archive.folder, archive.names_key) == (reference.base_folder, reference.meta["key"])
    assert [[name, archive.sums[name]] for name in archive.train_files] == reference.train_list
    assert [[archive.test_file, archive.sums[archive.test_file]]] == reference.test_list
    assert archive.meta_file == reference.meta["filename"]
    assert archive.sums[archive.meta_file] == reference.meta["md5"]
    assert len(archive.sums) == len(archive.train_files) + 2


def test_says_what_is_missing_and_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither cifar-10-batches-py/ nor .*dataset\.root=.*dataset\.download=true"):
        load_cifar10(root=tmp_path / "nowhere")
    files, _, _ = cifar10_files()
    del files["data_batch_4"]
    write_folder(tmp_path / "cifar-10-batches-py", files)
    with pytest.raises(DataError, match="cifar-10-batches-py: no file data_batch_4"):
        load_cifar10(root=tmp_path)


@pytest.mark.parametrize(
    ("file", "fields", "message"),
    [
        ("test_batch", {"data": np.zeros((2, 3071), np.uint8), "labels": [0, 1]}, "test_batch: 'data' is no array"),
        ("test_batch", {"data": [1, 2], "labels": [0, 1]}, "test_batch: 'data' is no array"),
        ("test_batch", {"data": np.zeros((2, 3072), np.uint8), "labels": [0]}, "test_batch: no list of 2 labels"),
        ("test_batch", {"data": np.zeros((2, 3072), np.uint8), "labels": [0, 10]}, "test_batch: label 10 "),
        ("test_batch", {"data": np.zeros((2, 3072), np.uint8), "labels": [0, "a"]}, "test_batch: label b'a' "),
        ("batches.meta", {"names": ["a"]}, "no list of class names under 'label_names'"),
        ("batches.meta", {"label_names": [f"c{n}" for n in range(11)]}, "no usable image of class 'c10'"),
    ],
)
def test_refuses_contents_of_another_kind(tmp_path: Path, file: str, fields: dict[str, object], message: str) -> None:
    files, _, _ = cifar10_files()
    write_folder(tmp_path / "cifar-10-batches-py", {**files, file: python2_pickle(fields)})
    with pytest.raises(DataError, match=message):
        load_cifar10(root=tmp_path, verify=False)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Serves a folder on this machine."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def test_downloads_what_has_the_published_sum_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: tuple[Path, str], conf_dataset
) -> None:
    files, images, labels = cifar10_files()
    folder, url = server
    archive = tar_gz(folder / "c.tar.gz", {f"cifar-10-batches-py/{name}": data for name, data in files.items()})
    publish(monkeypatch, sums=md5_sums(files), url=f"{url}/c.tar.gz")
    root = tmp_path / "new" / "data"
    config = conf_dataset("cifar10", data_dir=root, download=True)

    with pytest.raises(DataError, match=r"download into .*data failed \(its MD5 sum is \w+, published is c58f"):
        load(config)  # the sum is not the published one
    assert [path.name for path in root.iterdir()] in ([], ["c.tar.gz.lock"])

    publish(monkeypatch, md5=hashlib.md5(archive.read_bytes()).hexdigest())
    check(load(config)[1], images, labels)
    assert {path.name for path in root.iterdir()} - {"c.tar.gz.lock"} == {"c.tar.gz", "cifar-10-batches-py"}
    archive.unlink()
    check(load(config)[1], images, labels)  # what is there is not fetched again
    (root / "c.tar.gz").unlink()
    check(load(config)[1], images, labels)  # and it was unpacked


def test_a_failed_download_names_the_address_and_a_way_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: tuple[Path, str]
) -> None:
    publish(monkeypatch, url=f"{server[1]}/missing.tar.gz")
    with pytest.raises(DataError, match=r"missing\.tar\.gz: download .* failed .*dataset\.root="):
        load_cifar10(root=tmp_path / "data", download=True)


def test_loaders_do_without_torchvision() -> None:
    code = "import greenkd.data, sys; assert 'torchvision' not in sys.modules, 'torchvision was imported'"
    subprocess.run([sys.executable, "-c", code], check=True)
