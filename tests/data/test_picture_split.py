"""Pictures with boxes of several classes are divided so that every class is on both sides."""

import pytest
import torch

from greenkd.data import picture_split
from greenkd.errors import DataError


def labels(pictures: int, classes: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(0, classes, (pictures, 3), generator=generator)
    return drawn.masked_fill(torch.rand(pictures, 3, generator=generator) < 0.3, -1)


def test_a_share_of_the_pictures_validates() -> None:
    drawn = labels(500, 5)
    training, validation = picture_split(drawn, 0.1, 3)
    assert len(validation) == 50
    assert torch.cat([training, validation]).sort().values.tolist() == list(range(500))
    again = picture_split(drawn, 0.1, 3)[1]
    assert torch.equal(validation, again)
    assert not torch.equal(validation, picture_split(drawn, 0.1, 4)[1])


@pytest.mark.parametrize("seed", range(20))
def test_every_class_is_on_both_sides_however_rare(seed: int) -> None:
    drawn = labels(60, 6, seed)
    drawn[:2, 0], drawn[2:, :] = 6, drawn[2:, :].clamp(max=5)  # a class in two pictures
    training, validation = picture_split(drawn, 0.1, seed)
    shown = set(drawn[drawn >= 0].tolist())
    for side in (training, validation):
        assert set(drawn[side][drawn[side] >= 0].tolist()) == shown
    assert 6 <= len(validation) <= 12


def test_a_class_in_one_picture_is_refused() -> None:
    drawn = labels(30, 3)
    drawn[4, 0] = 3
    with pytest.raises(DataError, match="class 3 is in 1 training picture"):
        picture_split(drawn, 0.2, 0)
