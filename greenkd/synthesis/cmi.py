"""CMI: images that the teacher recognises, and that are told from each other, round by round from a fresh generator."""

from collections.abc import Callable
from typing import Annotated

import pydantic
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

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
from greenkd.synthesis.fast import BETAS
from greenkd.synthesis.flops import feature_flops, step_flops
from greenkd.synthesis.generator import Generator, draw_weights
from greenkd.synthesis.losses import contrast_loss
from greenkd.synthesis.memory_bank import MemoryBank
from greenkd.synthesis.optimizer_state import load_optimizer_tensors, optimizer_tensors
from greenkd.synthesis.teacher_loss import TeacherLoss
from greenkd.synthesis.views import local_views


@pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=OPTIONS)
class CMI(AdversarialTransfer):
    """The images of contrastive model inversion.

    Each round draws a new generator and latent vectors, and makes Adam steps on both. Besides statistics and classes, a
    contrast asks that a part of an image is nearer to its whole than to other images, those of earlier rounds included.
    The images of the step with the lowest loss are kept.

    Source: Fang et al., Contrastive model inversion for data-free knowledge distillation, IJCAI 2021, and its code.

    Attributes:
        batch_size: Images of a round.
        steps: Of a round; 200 are published.
        latent_size: Length of a latent vector.
        width: Channels before the generator's last convolution.
        bn_weight: Weight of the batch norms' statistics.
        class_weight: Weight of the cross-entropy to the drawn classes.
        contrast_weight: Weight of the contrast; 0 saves the teacher's second pass.
        contrast_tau: The contrast's own temperature, which has nothing to do with the distillation's.
        embedding_size: Length of the embeddings that are compared.
        bank_size: Images of earlier rounds that are remembered.
        negatives: Those of them that every step compares with; at most `bank_size`.
        lr_generator: Adam's rate for generator, latent vectors and the head of the contrast.
    """

    batch_size: BatchSize = 256
    steps: Whole = 200
    latent_size: Length = 256
    width: Length = 64
    bn_weight: Weight = 1.0
    class_weight: Weight = 0.5
    contrast_weight: Weight = 0.8
    contrast_tau: Rate = 0.1
    embedding_size: Length = 256
    bank_size: Whole = 40_960
    negatives: Annotated[int, Field(ge=0)] = 4_096
    lr_generator: Rate = 1e-3

    @property
    def needs_batch_norm(self) -> bool:
        """Whether the batch norms' inputs are looked at."""
        return self.bn_weight > 0 or self.contrast_weight > 0

    def synthesiser(self, setup: SynthesisSetup) -> "CMISynthesiser":
        """Returns what makes the images."""
        return CMISynthesiser(self, setup)


class CMISynthesiser(Synthesiser):
    """Makes images as `CMI` says.

    Args:
        options: The weights and rates.
        setup: Teacher and shape of the images.
    """

    def __init__(self, options: CMI, setup: SynthesisSetup) -> None:
        self._options, self._setup = options, setup
        self.steps, self.batch_size = options.steps, options.batch_size
        self._contrasts = options.contrast_weight > 0

        self._generator = Generator(options.latent_size, options.width, setup.channels, setup.image_size)
        self._generator.to(setup.device).train()
        self._flops = step_flops(setup, self._generator, options.latent_size)
        if self._contrasts:
            self._local_flops = feature_flops(setup)
        self._loss = TeacherLoss(
            setup,
            options.bn_weight,
            options.class_weight,
            adversarial=options.adversarial,
            reads_features=self._contrasts,
        )
        if not self._contrasts:
            return

        # The head of the contrast, which learns over all rounds, and what it is held against
        assert self._loss.statistics is not None
        size = self._loss.statistics.feature_size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setup.round_seed(-1))
            head = nn.Sequential(nn.Linear(size, size), nn.ReLU(inplace=True), nn.Linear(size, options.embedding_size))
        self._head = head.to(setup.device)
        self._optimizer = torch.optim.Adam(self._head.parameters(), options.lr_generator, betas=BETAS)
        self._bank = MemoryBank(options.bank_size, 2 * size, setup.device)

    def flops(self, number: int) -> Flops:
        """Returns the FLOPs of one image in one step: generator, teacher, and the contrast with what is remembered."""
        if not self._contrasts:
            return self._flops
        assert self._loss.statistics is not None
        remembered = min(self._options.bank_size, number * self.batch_size, self._options.negatives)
        size = self._loss.statistics.feature_size
        return _with_contrast(self._flops, self._local_flops, self._options, size, remembered)

    def make(self, number: int, before_step: Callable[[], None], student: nn.Module | None = None) -> Tensor:
        """Makes the images of one round."""
        options, setup = self._options, self._setup
        random = setup.random(number)
        draw_weights(self._generator, random)
        latents = torch.randn(self.batch_size, options.latent_size, generator=random).to(setup.device).requires_grad_()
        targets = setup.targets(self.batch_size, random)

        optimizer = torch.optim.Adam([*self._generator.parameters(), latents], options.lr_generator, betas=BETAS)
        best = BestStep()
        for step in range(self.steps):
            before_step()
            images = self._generator(latents)
            loss = self._loss(setup.view(images, number, step), targets, student)
            kept = [images]
            if self._contrasts:
                contrast, features = self._contrast(images, random)
                loss = loss + options.contrast_weight * contrast
                kept.append(features)
            best.take(loss, *kept)

            optimizer.zero_grad(set_to_none=True)
            if self._contrasts:
                self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if self._contrasts:
                self._optimizer.step()

        if self._contrasts:
            self._bank.add(best.tensors[1])
        return to_bytes(best.tensors[0])

    def state(self) -> dict[str, Tensor]:
        """Returns head, its optimiser and the memory bank; without contrast rounds know nothing of each other."""
        if not self._contrasts:
            return {}
        tensors = {f"head.{name}": value for name, value in self._head.state_dict().items()}
        return tensors | optimizer_tensors(self._optimizer, "optimizer.") | self._bank.state()

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Takes over what `state` returned."""
        if not self._contrasts:
            return
        head = {key.removeprefix("head."): value for key, value in tensors.items() if key.startswith("head.")}
        self._head.load_state_dict(head)
        load_optimizer_tensors(self._optimizer, tensors, "optimizer.")
        self._bank.load_state(tensors)

    def _contrast(self, images: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Returns the contrast of the images whose global views the teacher has just seen, and their features."""
        setup, statistics = self._setup, self._loss.statistics
        assert statistics is not None
        whole = statistics.features()
        local_images = local_views(images, flip=setup.augmentation.flip, random=random)
        setup.teacher(setup.normalised(local_images))
        local = statistics.features()
        features = torch.cat((local, whole), dim=1)

        # New images first, then some of the bank
        negatives = self._bank.draw(self._options.negatives, random)
        both = torch.cat((features, negatives)) if len(negatives) else features
        local_embeddings, whole_embeddings = (F.normalize(self._head(part), dim=1) for part in both.chunk(2, dim=1))
        loss = contrast_loss(local_embeddings, whole_embeddings, len(images), self._options.contrast_tau)
        return loss, features


def _with_contrast(flops: Flops, local: Flops, options: CMI, features: int, negatives: int) -> Flops:
    """Adds the local view, the head and the similarities to what one image takes.

    Both views of each image, new or remembered, go through the head, and all local views are compared with all global
    ones. Backward, the global views are detached: what is left is the local views' way through the head, to weights and
    inputs, and the similarities' gradient to them.
    """
    rows = 1 + negatives / options.batch_size  # through the head, for each new image
    head = 2 * (features * features + features * options.embedding_size)
    similarities = 2 * options.embedding_size * (options.batch_size + negatives)

    forward = backward = rows * (2 * head + similarities)
    return Flops(
        forward=flops.forward + local.forward + forward,
        training=flops.training + local.training + forward + backward,
    )
