"""Scikit-learn's handwritten digits: real data that needs no download."""

import numpy as np
import torch
from sklearn import datasets

from greenkd.data.base import Dataset, Images
from greenkd.data.split import stratified_split

_TEST_FRACTION = 0.2
_TEST_SEED = 1797


def load_digits() -> Dataset:
    """Loads 1,797 digits of 8×8 pixels, one channel, ten classes.

    The set has no official test part. Ours is a fixed stratified fifth (359 images), the same for every seed and
    configuration; the other 1,438 are the training part. The grey values 0 … 16 are scaled to 0 … 255.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998 (its test set, as
    scikit-learn ships it).
    """
    bunch = datasets.load_digits()
    pixels = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    everything = Images(torch.from_numpy(pixels).unsqueeze(1), torch.from_numpy(bunch.target.astype(np.int64)))
    train, test = stratified_split(everything.labels, _TEST_FRACTION, _TEST_SEED)
    return Dataset(everything.subset(train), everything.subset(test), tuple(str(name) for name in bunch.target_names))
