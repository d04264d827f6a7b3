"""DeepInversion: pixels themselves are changed until the teacher sees in them what its batch norms remember."""

from collections.abc import Callable

import pydantic
import torch
from torch import Tensor, nn

from greenkd.energy.flops import Flops
from greenkd.synthesis.base import (
    OPTIONS,
    BatchSize,
    Rate,
    Synthesiser,
    SynthesisSetup,
    Transfer,
    Weight,
    Whole,
    to_bytes,
)
from greenkd.synthesis.best import BestStep
from greenkd.synthesis.flops import step_flops
from greenkd.synthesis.losses import total_variation
from greenkd.synthesis.teacher_loss import TeacherLoss
from greenkd.synthesis.views import shifted

_BETAS = (0.5, 0.99)


@pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=OPTIONS)
class DeepInversion(Transfer):
    """The images of DeepInversion, which know nothing of a student.

    Each round begins with Gaussian noise in the teacher's normalised space and makes Adam steps on its pixels, kept
    between black and white. In each the teacher sees the images rolled by a random offset, and mirrored where the data
    set's are. The images of the step with the lowest loss are kept.

    Source: Yin et al., Dreaming to distill, CVPR 2020; weights and steps as in FastDFKD's implementation.

    Attributes:
        batch_size: Images of a round.
        steps: Of a round; 2,000 are published.
        bn_weight: Weight of the batch norms' statistics.
        class_weight: Weight of the cross-entropy to the drawn classes.
        tv_weight: Weight of the total variation.
        l2_weight: Weight of the images' Euclidean norm.
        lr: Adam's rate for the pixels, in units of the normalised space.
    """

    batch_size: BatchSize = 256
    steps: Whole = 2_000
    bn_weight: Weight = 1.0
    class_weight: Weight = 1.0
    tv_weight: Weight = 1e-5
    l2_weight: Weight = 0.0
    lr: Rate = 0.1

    @property
    def needs_batch_norm(self) -> bool:
        """Whether the statistics have a weight."""
        return self.bn_weight > 0

    def synthesiser(self, setup: SynthesisSetup) -> "DeepInversionSynthesiser":
        """Returns what makes the images."""
        return DeepInversionSynthesiser(self, setup)


class DeepInversionSynthesiser(Synthesiser):
    """Makes images as `DeepInversion` says.

    Args:
        options: The weights and rates.
        setup: Teacher and shape of the images.
    """

    def __init__(self, options: DeepInversion, setup: SynthesisSetup) -> None:
        self._options, self._setup = options, setup
        self.steps, self.batch_size = options.steps, options.batch_size
        self._flops = step_flops(setup, None, 0)
        self._loss = TeacherLoss(setup, options.bn_weight, options.class_weight)

    def flops(self, number: int) -> Flops:
        """Returns the FLOPs of one image in one step: the teacher's passes."""
        return self._flops

    def make(self, number: int, before_step: Callable[[], None], student: nn.Module | None = None) -> Tensor:
        """Makes the images of one round."""
        options, setup = self._options, self._setup
        random = setup.random(number)
        shape = (self.batch_size, *setup.image_shape)
        pixels = torch.randn(shape, generator=random).to(setup.device).requires_grad_()
        targets = setup.targets(self.batch_size, random)

        means, stds = setup.moments
        black, white = -means / stds, (1 - means) / stds
        optimizer = torch.optim.Adam([pixels], options.lr, betas=_BETAS)
        best = BestStep()
        for _ in range(self.steps):
            before_step()
            views = shifted(pixels, flip=setup.augmentation.flip, random=random)
            loss = self._loss(views.contiguous(memory_format=torch.channels_last), targets)
            loss = loss + options.tv_weight * total_variation(pixels) + options.l2_weight * pixels.norm()
            best.take(loss, pixels)

            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                pixels.copy_(torch.maximum(torch.minimum(pixels, white), black))

        return to_bytes(best.tensors[0] * stds + means)
