"""Unlabelled: the pictures of another data set, whose labels nobody looks at."""

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

import pydantic
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from greenkd.components import build, check
from greenkd.data import Dataset
from greenkd.errors import ConfigError, DataError
from greenkd.synthesis.base import OPTIONS, BatchSize, Synthesiser, SynthesisSetup, Transfer

_WHERE = "transfer.arguments"
# Of red, green and blue in the brightness of a picture: ITU-R BT.601, as in PIL and torchvision.
_BRIGHTNESS = (0.299, 0.587, 0.114)


@pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Unlabelled(Transfer):
    """Pictures of the training part of another data set, in random order, brought to size and channels of the own one.

    Attributes:
        loader: Path of the function that loads the data set, as a data set's `_target_`.
        arguments: Of that function.
        batch_size: Pictures that are taken together.
    """

    loader: str
    arguments: dict[str, Any] = pydantic.Field(default_factory=dict)
    batch_size: BatchSize = 256

    def __post_init__(self) -> None:
        try:
            check({"_target_": self.loader, **self.arguments}, where=_WHERE)
        except ConfigError as error:
            raise ValueError(str(error)) from error

    def synthesiser(self, setup: SynthesisSetup) -> "UnlabelledSynthesiser":
        """Returns what takes the pictures."""
        return UnlabelledSynthesiser(self._load().train.images, self.batch_size, setup)

    def source_fingerprint(self) -> str:
        """Returns the fingerprint of the other data set."""
        return self._load().fingerprint

    def _load(self) -> Dataset:
        return _loaded(json.dumps({"_target_": self.loader, **self.arguments}, sort_keys=True))


@functools.lru_cache(maxsize=1)
def _loaded(config: str) -> Dataset:
    """Loads a data set once for the campaigns that follow each other."""
    target: Mapping[str, Any] = json.loads(config)
    try:
        return build(target, where=_WHERE, expect=Dataset)
    except DataError as error:  # it speaks of the group `dataset`, which is another one
        raise DataError(str(error).replace("dataset.", f"{_WHERE}.")) from error
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}; check transfer.arguments and who may read it") from error


class UnlabelledSynthesiser(Synthesiser):
    """Takes pictures as `Unlabelled` says; each once before any comes again.

    Args:
        pictures: uint8 [N, C', H', W'].
        batch_size: Pictures that are taken together.
        setup: Shape of the images.
    """

    steps = 1

    def __init__(self, pictures: Tensor, batch_size: int, setup: SynthesisSetup) -> None:
        self.batch_size = batch_size
        self._pictures = pictures
        self._setup = setup
        self._order = torch.randperm(len(pictures), generator=setup.random(-1))

    def make(self, number: int, before_step: Callable[[], None], student: nn.Module | None = None) -> Tensor:
        """Takes the pictures of one round."""
        before_step()
        places = torch.arange(number * self.batch_size, (number + 1) * self.batch_size) % len(self._order)
        return _fitted(self._pictures[self._order[places]], self._setup).to(self._setup.device)


def _fitted(pictures: Tensor, setup: SynthesisSetup) -> Tensor:
    """Returns pictures in the size and with the channels that students and teacher take."""
    channels, size = setup.channels, setup.image_size
    if pictures.shape[1] == 3 and channels == 1:
        weights = torch.tensor(_BRIGHTNESS).view(1, 3, 1, 1)
        pictures = (pictures * weights).sum(1, keepdim=True).round().to(torch.uint8)
    elif pictures.shape[1] == 1 and channels == 3:
        pictures = pictures.expand(-1, 3, -1, -1)

    if pictures.shape[-1] == size:
        return pictures
    scaled = F.interpolate(pictures.float(), (size, size), mode="bilinear", antialias=True)
    return scaled.round().clamp(0, 255).to(torch.uint8)
