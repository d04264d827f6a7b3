"""Noise: what distillation is worth on images that hold nothing."""

from collections.abc import Callable

import pydantic
import torch
from torch import Tensor, nn

from greenkd.synthesis.base import OPTIONS, BatchSize, Synthesiser, SynthesisSetup, Transfer


@pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Noise(Transfer):
    """Images whose bytes are drawn independently, every value as likely as any other.

    Attributes:
        batch_size: Images that are drawn together.
    """

    batch_size: BatchSize = 256

    def synthesiser(self, setup: SynthesisSetup) -> "NoiseSynthesiser":
        """Returns what draws the images."""
        return NoiseSynthesiser(self.batch_size, setup)


class NoiseSynthesiser(Synthesiser):
    """Draws images as `Noise` says.

    Args:
        batch_size: Images that are drawn together.
        setup: Shape of the images.
    """

    steps = 1

    def __init__(self, batch_size: int, setup: SynthesisSetup) -> None:
        self.batch_size = batch_size
        self._setup = setup

    def make(self, number: int, before_step: Callable[[], None], student: nn.Module | None = None) -> Tensor:
        """Draws the images of one round."""
        before_step()
        shape = (self.batch_size, *self._setup.image_shape)
        return torch.randint(256, shape, dtype=torch.uint8, generator=self._setup.random(number)).to(self._setup.device)
