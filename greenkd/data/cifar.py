"""CIFAR-10 and CIFAR-100 from the official Python archives.

Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; https://www.cs.toronto.edu/~kriz/cifar.html
gives the addresses and the archives' MD5 sums. The sums of the files inside are those that torchvision checks.
"""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from greenkd.data.archive import MAX_BYTES, read_members
from greenkd.data.base import Dataset, Images
from greenkd.data.download import download_archive
from greenkd.data.unpickling import PickledArray, read_pickle
from greenkd.errors import DataError

_SIDE = 32


@dataclasses.dataclass(frozen=True)
class Archive:
    """What is published about one of the two archives.

    Attributes:
        url: Where it is published; the last part is the file's name.
        md5: Its MD5 sum (hex).
        folder: The folder that everything inside is in.
        train_files: Names of the training part's files, in the order of the images.
        test_file: Name of the test part's file.
        meta_file: Name of the file with the class names.
        names_key: The key under which that file has them.
        sums: The MD5 sum (hex) of every file, by name.
    """

    url: str
    md5: str
    folder: str
    train_files: tuple[str, ...]
    test_file: str
    meta_file: str
    names_key: str
    sums: dict[str, str]

    @property
    def file_name(self) -> str:
        """The archive's own name."""
        return self.url.rpartition("/")[2]


CIFAR10 = Archive(
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    md5="c58f30108f718f92721af3b95e74349a",
    folder="cifar-10-batches-py",
    train_files=("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"),
    test_file="test_batch",
    meta_file="batches.meta",
    names_key="label_names",
    sums={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
)
CIFAR100 = Archive(
    url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    md5="eb9058c3a382ffc7106e4002c42a8d85",
    folder="cifar-100-python",
    train_files=("train",),
    test_file="test",
    meta_file="meta",
    names_key="fine_label_names",
    sums={
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "meta": "7973b15100ade9c7d40fb424638fde48",
    },
)


def load_cifar10(*, root: Path, download: bool = False, verify: bool = True) -> Dataset:
    """Loads CIFAR-10: 50,000 training and 10,000 test images of 32×32 pixels, RGB, ten classes.

    Args:
        root: The folder that holds `cifar-10-batches-py` or `cifar-10-python.tar.gz`, or either of these itself.
        download: Fetch the archive into `root` and unpack it there, if neither is there.
        verify: Compare every file with its published MD5 sum before it is read. Switch off for cuts and variants in the
            same layout; their sizes are taken as they come.

    Raises:
        DataError: Files are missing, have another sum, or do not hold what they should; nothing was executed.
    """
    return _load(CIFAR10, root, download, verify)


def load_cifar100(*, root: Path, download: bool = False, verify: bool = True) -> Dataset:
    """Loads CIFAR-100 with its fine labels: 50,000 training and 10,000 test images of 32×32, RGB, 100 classes.

    Args:
        root: The folder that holds `cifar-100-python` or `cifar-100-python.tar.gz`, or either of these itself.
        download: As for `load_cifar10`.
        verify: As for `load_cifar10`.

    Raises:
        DataError: As for `load_cifar10`.
    """
    return _load(CIFAR100, root, download, verify)


def _load(archive: Archive, root: Path, fetch: bool, verify: bool) -> Dataset:
    root = root.expanduser()
    source = _locate(archive, root)
    if source is None and fetch:
        download_archive(archive.url, root, md5=archive.md5, folder=archive.folder, names=archive.sums)
        source = _locate(archive, root)
    if source is None:
        raise DataError(
            f"{root}: neither {archive.folder}/ nor {archive.file_name} in it; give dataset.root=<its folder>, "
            f"or fetch it with dataset.download=true (from {archive.url})"
        )

    contents: dict[str, dict[str, Any]] = {}
    for name, data in _read(archive, source).items():
        where = f"{source}: {name}"
        if verify:
            _check_sum(data, archive.sums[name], where)
        contents[name] = _fields(read_pickle(data, where), where)

    class_names = _class_names(contents[archive.meta_file], archive.names_key, str(source))
    train, test = (
        _images({f"{source}: {name}": contents[name] for name in names}, len(class_names))
        for names in (archive.train_files, (archive.test_file,))
    )
    return Dataset(train, test, class_names)


def _locate(archive: Archive, root: Path) -> Path | None:
    """Returns the folder with the unpacked files, or the archive; None if neither is there."""
    if root.is_file() or (root / archive.meta_file).is_file():
        return root
    return next((root / name for name in (archive.folder, archive.file_name) if (root / name).exists()), None)


def _read(archive: Archive, source: Path) -> dict[str, bytes]:
    """Reads the published files from their folder or out of the archive, by name."""
    if source.is_dir():
        files = [source / name for name in archive.sums if (source / name).is_file()]
        for file in files:
            if file.stat().st_size > MAX_BYTES:
                raise DataError(f"{file}: {file.stat().st_size} bytes are too many; unpack the archive again")
        contents = {file.name: file.read_bytes() for file in files}
    else:
        members = read_members(source, [f"{archive.folder}/{name}" for name in archive.sums])
        contents = {name.rpartition("/")[2]: data for name, data in members.items()}

    for name in archive.sums:
        if name not in contents:
            raise DataError(f"{source}: no file {name} in it; unpack or download the official archive again")
    return contents


def _check_sum(data: bytes, published: str, where: str) -> None:
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if md5 != published:
        raise DataError(
            f"{where}: MD5 sum {md5}, published is {published}; download the archive again, "
            "or set dataset.verify=false if this is a cut or a variant of your own"
        )


def _fields(content: object, where: str) -> dict[str, Any]:
    """Returns the pickled dictionary with its keys as text."""
    if not isinstance(content, dict):
        raise DataError(f"{where}: holds a {type(content).__name__}, not the dictionary of the official layout")
    return {
        key.decode(errors="replace") if isinstance(key, bytes) else str(key): value for key, value in content.items()
    }


def _class_names(meta: dict[str, Any], key: str, source: str) -> tuple[str, ...]:
    names = meta.get(key)
    if not isinstance(names, list) or not names or not all(isinstance(name, bytes | str) for name in names):
        raise DataError(f"{source}: no list of class names under {key!r}; unpack or download the archive again")
    return tuple(name.decode(errors="replace") if isinstance(name, bytes) else name for name in names)


def _images(batches: dict[str, dict[str, Any]], num_classes: int) -> Images:
    """Puts the images of one part together from its files; the keys of `batches` name them in messages."""
    pixels: list[np.ndarray[Any, np.dtype[np.uint8]]] = []
    labels: list[int] = []
    for file, batch in batches.items():
        data = batch.get("data")
        values = data.values if isinstance(data, PickledArray) else None
        if values is None or values.shape[1:] != (3 * _SIDE * _SIDE,):
            raise DataError(f"{file}: 'data' is no array of bytes [N, {3 * _SIDE * _SIDE}]; unpack the archive again")

        numbers = batch.get("labels", batch.get("fine_labels"))
        if not isinstance(numbers, list) or len(numbers) != len(values):
            raise DataError(f"{file}: no list of {len(values)} labels, one per image; unpack the archive again")
        wrong = [number for number in numbers if type(number) is not int or not 0 <= number < num_classes]
        if wrong:
            raise DataError(f"{file}: label {wrong[0]!r} is not a number from 0 to {num_classes - 1}")

        pixels.append(values)
        labels += numbers

    images = np.concatenate(pixels).reshape(-1, 3, _SIDE, _SIDE)
    return Images(torch.from_numpy(images), torch.tensor(labels, dtype=torch.int64))
