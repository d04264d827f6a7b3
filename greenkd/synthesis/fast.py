"""FastDFKD: a generator that is learned over all rounds, so that a few steps from it make a round's images."""

import copy
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pydantic
import torch
from pydantic import Field
from torch import Tensor, nn

from greenkd.energy.flops import Flops
from greenkd.synthesis.base import (
    OPTIONS,
    AdversarialTransfer,
    BatchSize,
    Length,
    Rate,
    Synthesiser,
    SynthesisSetup,
    Weight,
    Whole,
    to_bytes,
)
from greenkd.synthesis.best import BestStep
from greenkd.synthesis.flops import step_flops
from greenkd.synthesis.generator import Generator, draw_weights
from greenkd.synthesis.optimizer_state import load_optimizer_tensors, optimizer_tensors
from greenkd.synthesis.teacher_loss import TeacherLoss

BETAS = (0.5, 0.999)

# What the published code multiplies REPTILE's difference of weights by.
_REPTILE_FACTOR = 67.0


@pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Fast(AdversarialTransfer):
    """FastDFKD's images.

    Each round clones the generator, makes some Adam steps on the clone and on fresh latent vectors, and lets the
    generator learn from where the clone went: by the sum of the clone's gradients (`maml`, first order), or by how far
    its weights have moved (`reptile`). The images of the step with the lowest loss are kept.

    Source: Fang et al., Up to 100× faster data-free knowledge distillation, AAAI 2022, and its code.

    Attributes:
        batch_size: Images of a round.
        steps: Of a round; 2, 5 and 10 are published.
        latent_size: Length of a latent vector.
        width: Channels before the generator's last convolution.
        bn_weight: Weight of the batch norms' statistics.
        class_weight: Weight of the cross-entropy to the drawn classes.
        bn_momentum: Share of earlier rounds in the statistics.
        lr_generator: Adam's rate for the clone; the generator itself learns with `steps` times as much.
        lr_latent: Adam's rate for the latent vectors.
        meta: What the generator learns from.
    """

    batch_size: BatchSize = 128
    steps: Whole = 10
    latent_size: Length = 256
    width: Length = 64
    bn_weight: Weight = 10.0
    class_weight: Weight = 0.5
    bn_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    lr_generator: Rate = 5e-3
    lr_latent: Rate = 0.015
    meta: Literal["maml", "reptile"] = "maml"

    @property
    def needs_batch_norm(self) -> bool:
        """Whether the statistics have a weight."""
        return self.bn_weight > 0

    def synthesiser(self, setup: SynthesisSetup) -> "FastSynthesiser":
        """Returns what makes the images."""
        return FastSynthesiser(self, setup)


class FastSynthesiser(Synthesiser):
    """Makes images as `Fast` says.

    Args:
        options: The weights and rates.
        setup: Teacher and shape of the images.
    """

    def __init__(self, options: Fast, setup: SynthesisSetup) -> None:
        self._options, self._setup = options, setup
        self.steps, self.batch_size = options.steps, options.batch_size

        generator = Generator(options.latent_size, options.width, setup.channels, setup.image_size)
        draw_weights(generator, setup.random(-1))
        self._meta = generator.to(setup.device).train()
        self._optimizer = torch.optim.Adam(self._meta.parameters(), options.lr_generator * options.steps, betas=BETAS)
        self._flops = step_flops(setup, self._meta, options.latent_size)
        self._loss = TeacherLoss(
            setup,
            options.bn_weight,
            options.class_weight,
            options.bn_momentum,
            adversarial=options.adversarial,
        )

    def flops(self, number: int) -> Flops:
        """Returns the FLOPs of one image in one step: the clone's training, the teacher's passes."""
        return self._flops

    def make(self, number: int, before_step: Callable[[], None], student: nn.Module | None = None) -> Tensor:
        """Makes the images of one round."""
        options, setup = self._options, self._setup
        random = setup.random(number)
        latents = torch.randn(self.batch_size, options.latent_size, generator=random).to(setup.device).requires_grad_()
        targets = setup.targets(self.batch_size, random)

        clone = copy.deepcopy(self._meta)
        learned: list[dict[str, Any]] = [{"params": clone.parameters()}]
        learned.append({"params": [latents], "lr": options.lr_latent})
        optimizer = torch.optim.Adam(learned, lr=options.lr_generator, betas=BETAS)
        best = BestStep()
        self._optimizer.zero_grad(set_to_none=True)

        for step in range(self.steps):
            before_step()
            images = clone(latents)
            loss = self._loss(setup.view(images, number, step), targets, student)
            best.take(loss, images)

            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            if options.meta == "maml":
                _add_gradients(self._meta, clone)
            optimizer.step()

        # The generator learns from where its clone went.
        if options.meta == "reptile":
            _take_difference(self._meta, clone)
        self._optimizer.step()
        if self._loss.statistics is not None:
            self._loss.statistics.end_round()
        return to_bytes(best.tensors[0])

    def state(self) -> dict[str, Tensor]:
        """Returns the generator, its optimiser, and the statistics of earlier rounds."""
        tensors = {f"generator.{name}": value for name, value in self._meta.state_dict().items()}
        tensors |= optimizer_tensors(self._optimizer, "optimizer.")
        if self._loss.statistics is not None:
            tensors |= {f"statistics.{name}": value for name, value in self._loss.statistics.state().items()}
        return tensors

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Takes over what `state` returned."""

        def part(prefix: str) -> dict[str, Tensor]:
            return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}

        self._meta.load_state_dict(part("generator."))
        load_optimizer_tensors(self._optimizer, tensors, "optimizer.")
        if self._loss.statistics is not None:
            self._loss.statistics.load_state(part("statistics."))


@torch.no_grad()
def _add_gradients(generator: nn.Module, clone: nn.Module) -> None:
    """Adds the clone's gradients to the generator's."""
    for own, other in zip(generator.parameters(), clone.parameters(), strict=True):
        assert other.grad is not None
        own.grad = other.grad.clone() if own.grad is None else own.grad + other.grad


@torch.no_grad()
def _take_difference(generator: nn.Module, clone: nn.Module) -> None:
    """Makes how far the clone's weights have moved the generator's gradient."""
    for own, other in zip(generator.parameters(), clone.parameters(), strict=True):
        own.grad = _REPTILE_FACTOR * (own - other)
