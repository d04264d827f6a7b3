"""The validation part is cut from the training part, the same share of every class, with a seed of its own."""

import numpy as np
import torch
from torch import Tensor

from greenkd.errors import DataError
from greenkd.streams import stream_seed


def stratified_split(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Divides positions into a training and a validation part, class by class.

    Of a class with n images, round(n · fraction) go to validation, but at least one goes to either side.

    Args:
        labels: int64 [N], class numbers.
        fraction: Share of every class that goes to validation, 0 < fraction < 1.
        seed: Seed of the stream "split"; independent of a campaign's seed, so that campaigns share one split.

    Returns:
        Training and validation positions, each int64, ascending; together 0 … N-1.

    Raises:
        ValueError: `fraction` is not between 0 and 1.
        DataError: A class has fewer than two images.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction={fraction}: a number above 0 and below 1 is needed")

    # Raw counter output is specified bit for bit; what NumPy makes of it (permutation, integers) may change by version.
    keys = np.random.Philox(stream_seed(seed, "split")).random_raw(len(labels))
    order = torch.from_numpy(np.argsort(keys, kind="stable"))
    shuffled = labels.cpu()[order]

    in_validation = torch.zeros(len(labels), dtype=torch.bool)
    for number in torch.bincount(shuffled).nonzero().squeeze(1).tolist():
        members = order[shuffled == number]
        if len(members) < 2:
            raise DataError(
                f"class {number} has {len(members)} training image; two are the least that can be split, so add images"
            )

        count = min(max(int(len(members) * fraction + 0.5), 1), len(members) - 1)
        in_validation[members[:count]] = True

    return (~in_validation).nonzero().squeeze(1), in_validation.nonzero().squeeze(1)
