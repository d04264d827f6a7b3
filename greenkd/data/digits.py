"""Scikit-learn's handwritten digits: real data that needs no download."""

import importlib.util
from pathlib import Path

import numpy as np
import torch

from greenkd.data.base import Dataset, Images
from greenkd.data.split import stratified_split
from greenkd.errors import DataError

_TEST_FRACTION = 0.2
_TEST_SEED = 1797


def load_digits() -> Dataset:
    """Loads 1,797 digits of 8×8 pixels, one channel, ten classes.

    The set has no official test part. Ours is a fixed stratified fifth (359 images), the same for every seed and
    configuration; the other 1,438 are the training part. The grey values 0 … 16 are scaled to 0 … 255.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998 (its test set, as
    scikit-learn ships it).

    >>> digits = load_digits()
    >>> digits.train.images.shape, len(digits.test.labels)
    (torch.Size([1438, 1, 8, 8]), 359)
    """
    rows = np.loadtxt(_file(), delimiter=",")  # 64 grey values and the digit
    pixels = np.rint(rows[:, :64].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    everything = Images(torch.from_numpy(pixels).unsqueeze(1), torch.from_numpy(rows[:, 64].astype(np.int64)))

    train, test = stratified_split(everything.labels, _TEST_FRACTION, _TEST_SEED)
    return Dataset(everything.subset(train), everything.subset(test), tuple(str(digit) for digit in range(10)))


def _file() -> Path:
    """Finds the file that `sklearn.datasets.load_digits` reads, without the two seconds of importing scikit-learn."""
    package = importlib.util.find_spec("sklearn")
    file = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz" if package and package.origin else None

    if file is None or not file.is_file():
        raise DataError("dataset=digits is a file of scikit-learn, which is not here; pip install 'scikit-learn>=1.5'")
    return file
