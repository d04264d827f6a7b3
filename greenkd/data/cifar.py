"""CIFAR-10 and CIFAR-100 from the official Python archives.

Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009. Names, addresses and MD5 sums of the
files are torchvision's.
"""

import hashlib
from pathlib import Path
from typing import Any
from urllib.error import URLError

import filelock
import numpy as np
import torch
from torchvision.datasets import CIFAR10, CIFAR100

from greenkd.data.archive import MAX_BYTES, read_members
from greenkd.data.base import Dataset, Images
from greenkd.data.unpickling import PickledArray, read_pickle
from greenkd.errors import DataError

_SIDE = 32


def load_cifar10(*, root: Path, download: bool = False, verify: bool = True) -> Dataset:
    """Loads CIFAR-10: 50,000 training and 10,000 test images of 32×32 pixels, RGB, ten classes.

    Args:
        root: The folder that holds `cifar-10-batches-py` or `cifar-10-python.tar.gz`, or either of these itself.
        download: Fetch the archive into `root` with torchvision if neither is there.
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


def _load(official: type[CIFAR10], root: Path, download: bool, verify: bool) -> Dataset:
    root = root.expanduser()
    source = _locate(official, root)
    if source is None and download:
        _download(official, root)
        source = _locate(official, root)
    if source is None:
        raise DataError(
            f"{root}: neither {official.base_folder}/ nor {official.filename} in it; give dataset.root=<its folder>, "
            f"or fetch it with dataset.download=true (from {official.url})"
        )
    sums = dict([*official.train_list, *official.test_list, (official.meta["filename"], official.meta["md5"])])
    contents: dict[str, Any] = {}
    for name, data in _read(official, source, list(sums)).items():
        where = f"{source}: {name}"
        if verify:
            _check_sum(data, sums[name], where)
        contents[name] = _fields(read_pickle(data, where), where)
    class_names = _class_names(contents[official.meta["filename"]], official.meta["key"], str(source))
    parts = [
        _images([contents[name] for name, _ in files], [f"{source}: {name}" for name, _ in files], len(class_names))
        for files in (official.train_list, official.test_list)
    ]
    return Dataset(parts[0], parts[1], class_names)


def _locate(official: type[CIFAR10], root: Path) -> Path | None:
    if root.is_file() or (root / official.meta["filename"]).is_file():
        return root
    return next((root / name for name in (official.base_folder, official.filename) if (root / name).exists()), None)


def _download(official: type[CIFAR10], root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        # Torchvision checks the archive's published sum before it unpacks it. One process fetches, others wait.
        with filelock.FileLock(root / f"{official.filename}.lock"):
            official(str(root), train=False, download=True)
    except (RuntimeError, URLError, OSError) as error:
        raise DataError(
            f"{official.url}: download into {root} failed ({error}); check the connection and the free space, "
            "or fetch the file by other means and give dataset.root=<its folder>"
        ) from error


def _read(official: type[CIFAR10], source: Path, names: list[str]) -> dict[str, bytes]:
    if source.is_dir():
        files = [source / name for name in names if (source / name).is_file()]
        for file in files:
            if file.stat().st_size > MAX_BYTES:
                raise DataError(f"{file}: {file.stat().st_size} bytes are too many; unpack the archive again")
        contents = {file.name: file.read_bytes() for file in files}
    else:
        members = read_members(source, [f"{official.base_folder}/{name}" for name in names])
        contents = {name.rpartition("/")[2]: data for name, data in members.items()}
    for name in names:
        if name not in contents:
            raise DataError(f"{source}: no file {name} in it; unpack or download the official archive again")
    return contents


def _check_sum(data: bytes, published: str, where: str) -> None:
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if found != published:
        raise DataError(
            f"{where}: MD5 sum {found}, published is {published}; download the archive again, "
            "or set dataset.verify=false if this is a cut or a variant of your own"
        )


def _fields(content: object, where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise DataError(f"{where}: holds a {type(content).__name__}, not the dictionary of the official layout")
    return {key.decode(errors="replace") if isinstance(key, bytes) else str(key): v for key, v in content.items()}


def _class_names(meta: dict[str, Any], key: str, source: str) -> tuple[str, ...]:
    names = meta.get(key)
    if not isinstance(names, list) or not names or not all(isinstance(name, bytes | str) for name in names):
        raise DataError(f"{source}: no list of class names under {key!r}; unpack or download the archive again")
    return tuple(name.decode(errors="replace") if isinstance(name, bytes) else name for name in names)


def _images(batches: list[dict[str, Any]], files: list[str], num_classes: int) -> Images:
    pixels, labels = [], []
    for batch, file in zip(batches, files, strict=True):
        data = batch.get("data")
        numbers = batch.get("labels", batch.get("fine_labels"))
        values = data.values if isinstance(data, PickledArray) else None
        if values is None or values.shape[1:] != (3 * _SIDE * _SIDE,):
            raise DataError(f"{file}: 'data' is no array of bytes [N, {3 * _SIDE * _SIDE}]; unpack the archive again")
        if not isinstance(numbers, list) or len(numbers) != len(values):
            raise DataError(f"{file}: no list of {len(values)} labels, one per image; unpack the archive again")
        wrong = [number for number in numbers if type(number) is not int or not 0 <= number < num_classes]
        if wrong:
            raise DataError(f"{file}: label {wrong[0]!r} is not a number from 0 to {num_classes - 1}")
        pixels.append(values)
        labels += numbers
    images = np.concatenate(pixels).reshape(-1, 3, _SIDE, _SIDE)
    return Images(torch.from_numpy(images), torch.tensor(labels, dtype=torch.int64))
