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

    >>> train, validation = stratified_split(torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]), 0.25, seed=0)
    >>> len(train), len(validation)
    (6, 2)
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


def picture_split(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Divides pictures with boxes of several classes, so that every class is on both sides.

    Of N pictures, round(N · fraction) go to validation by a hash of their positions. Where a class is missing on one
    side, pictures of it are moved there that take no other class from the other side; so that the share may be a little
    different.

    Args:
        labels: int64 [N, M], the classes of each picture's boxes; below 0 where there is no box.
        fraction: Share of the pictures that goes to validation, 0 < fraction < 1.
        seed: Seed of the stream "split", as in `stratified_split`.

    Returns:
        Training and validation positions, each int64, ascending; together 0 … N-1.

    Raises:
        ValueError: `fraction` is not between 0 and 1.
        DataError: A class is in fewer than two pictures, or there is no such division.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction={fraction}: a number above 0 and below 1 is needed")

    # Which classes every picture shows, [N, K]
    shown = labels.cpu().numpy()
    classes = np.unique(shown[shown >= 0])
    shows = (shown[:, :, None] == classes).any(axis=1)
    for number, pictures in zip(classes.tolist(), shows.sum(axis=0).tolist(), strict=True):
        if pictures < 2:
            raise DataError(
                f"class {number} is in {pictures} training picture; two are the least to split; add pictures"
            )

    keys = np.random.Philox(stream_seed(seed, "split")).random_raw(len(shown))
    order = np.argsort(keys, kind="stable")
    in_validation = np.zeros(len(shown), bool)
    in_validation[order[: min(max(int(len(shown) * fraction + 0.5), 1), len(shown) - 1)]] = True

    # The rarest first: they have the fewest pictures to choose from.
    for number in np.argsort(shows.sum(axis=0), kind="stable"):
        for side in (True, False):
            if not shows[in_validation == side, number].any():
                _move_one(in_validation, shows, order, number, side)

    split = torch.from_numpy(in_validation)
    return (~split).nonzero().squeeze(1), split.nonzero().squeeze(1)


def _move_one(
    in_validation: np.typing.NDArray[np.bool_],
    shows: np.typing.NDArray[np.bool_],
    order: np.typing.NDArray[np.int64],
    number: np.int64,
    side: bool,
) -> None:
    """Moves the first picture of a class to the side that has none of it, and leaves every class on the other side."""
    others = shows[in_validation != side].sum(axis=0)
    for picture in order:
        alone = (others[shows[picture]] < 2).any()
        if in_validation[picture] != side and shows[picture, number] and not alone:
            in_validation[picture] = side
            return
    raise DataError(
        f"class number {number}: no division of the pictures leaves every class in both parts; add pictures of it"
    )
