"""What every way of getting other images than the data set's answers: its options, and rounds that make them."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated

import pydantic
import torch
from pydantic import Field
from torch import Tensor, nn

from greenkd.components import OwnSeed
from greenkd.data import Augmentation
from greenkd.energy.flops import Flops
from greenkd.errors import ConfigError
from greenkd.streams import stream_seed
from greenkd.synthesis.statistics import batch_norms

OPTIONS = pydantic.ConfigDict(extra="forbid", allow_inf_nan=False)
Whole = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]
Rate = Annotated[float, Field(gt=0)]
Length = Annotated[int, Field(ge=1, le=65_536)]  # of a vector, or channels: more is a slip, and no memory holds it
BatchSize = Annotated[int, Field(ge=2)]  # batch norms have no variance to take from a single image


@dataclasses.dataclass(frozen=True, kw_only=True)
class SynthesisSetup:
    """What images are made from.

    Attributes:
        teacher: A copy of its own for the synthesis: on the device, in evaluation mode, its parameters frozen.
        num_classes: Of the teacher.
        channels: Of the images.
        image_size: Pixels per side.
        mean: Per channel, of the normalisation.
        std: Per channel.
        augmentation: Of the data set; the teacher is shown images under it.
        device: Where images are made.
        seed: Of everything that is drawn.
    """

    teacher: nn.Module
    num_classes: int
    channels: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augmentation: Augmentation
    device: torch.device
    seed: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape [C, H, W] of one image."""
        return self.channels, self.image_size, self.image_size

    @property
    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the normalisation on the device, [1, C, 1, 1] each."""
        mean, std = (torch.tensor(values, device=self.device).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return mean, std

    def normalised(self, images: Tensor) -> Tensor:
        """Returns images in 0…1 as the teacher takes them, channels last in memory; a gradient flows back to them."""
        mean, std = self.moments
        return ((images - mean) / std).contiguous(memory_format=torch.channels_last)

    def view(self, images: Tensor, number: int, step: int) -> Tensor:
        """Returns what the teacher is shown of images in the making: augmented as the data set is, normalised.

        Args:
            images: [B, C, H, W] in 0…1.
            number: The round's.
            step: The step's within it.
        """
        views = self.augmentation.draw(len(images), self.round_seed(number), step).to(self.device)
        everything = torch.arange(len(images), device=self.device)
        return self.normalised(self.augmentation.apply(images, views, everything))

    def random(self, number: int) -> torch.Generator:
        """Returns a generator on the CPU at the start of what one round draws."""
        return torch.Generator().manual_seed(self.round_seed(number))

    def round_seed(self, number: int) -> int:
        """Returns the seed of one round."""
        return stream_seed(self.seed, "synthesis", number)

    def targets(self, count: int, random: torch.Generator) -> Tensor:
        """Draws a class for each of some images, int64 [count], ascending."""
        return torch.randint(self.num_classes, (count,), generator=random).sort().values.to(self.device)


class Synthesiser(ABC):
    """Makes images in rounds. A round is a function of its number and of what the rounds before it have learned.

    Attributes:
        steps: Of a round.
        batch_size: Images of a round.
    """

    steps: int
    batch_size: int

    @abstractmethod
    def make(self, number: int, before_step: Callable[[], None], student: nn.Module | None = None) -> Tensor:
        """Makes the images of one round.

        Args:
            number: The round's, from 0; rounds follow each other.
            before_step: Called before every step; may raise a `TrainingInterruptedError`.
            student: In evaluation mode, frozen; images on which it differs from the teacher are sought. None: no
                student is looked at.

        Returns:
            uint8 [batch_size, C, H, W], on the device.
        """

    def flops(self, number: int) -> Flops:
        """Returns the FLOPs of one image in one step of a round, the teacher's included; `training` is all of them."""
        return Flops(forward=0.0, training=0.0)

    def state(self) -> dict[str, Tensor]:
        """Returns what later rounds depend on; nothing by default."""
        return {}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Takes over what `state` returned, on the device; of nothing by default."""
        if tensors:
            raise ValueError(f"{type(self).__name__} remembers nothing, but is to take over {', '.join(tensors)}")


@pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Transfer(ABC):
    """The options that every way has which shows students other images than the data set's.

    Attributes:
        images: How many the students are trained on; None: as many as the training split has.
        held_out: How many further ones tell students and teacher apart (`selection=agreement`); None: as many as the
            validation split has.
        seed: Of the images, of its own, so that all campaigns of a teacher share them; `per_seed` in the configuration
            lets it follow the campaign's seed.
    """

    images: Annotated[int, Field(ge=2)] | None = None
    held_out: Whole | None = None
    seed: OwnSeed = 0

    @property
    def needs_batch_norm(self) -> bool:
        """Whether images are made from the statistics of the teacher's batch norms."""
        return False

    @property
    def is_adversarial(self) -> bool:
        """Whether more images are made within each trial, with an eye on its student."""
        return False

    @property
    def rounds_per_epoch(self) -> int:
        """How many rounds of images each epoch of a trial brings."""
        return 0

    @abstractmethod
    def synthesiser(self, setup: SynthesisSetup) -> Synthesiser:
        """Returns what makes the images."""

    def source_fingerprint(self) -> str | None:
        """Returns the fingerprint of the data set that the images are taken from; None where they are made."""
        return None

    def check_teacher(self, teacher: nn.Module, name: str) -> None:
        """Refuses a teacher that images cannot be made from.

        Args:
            teacher: Trained or not.
            name: Of its option, for the message.

        Raises:
            ConfigError: It has no batch norm to read statistics from.
        """
        if self.needs_batch_norm and not batch_norms(teacher):
            raise ConfigError(
                f"teacher={name} has no batch norm with running statistics, which the images are made from; take a "
                "teacher with batch norms (resnet18, wrn_40_2, vgg13, …), or transfer=unlabelled or noise"
            )


@pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=OPTIONS)
class AdversarialTransfer(Transfer):
    """The options of ways that can go on within a trial: after the pool is made, each epoch brings more images.

    Attributes:
        adversarial: Weight of the student's difference from the teacher; 0: the pool is all there is.
        adversarial_rounds: Rounds of images before each epoch.
    """

    adversarial: Weight = 0.0
    adversarial_rounds: Whole = 1

    @property
    def is_adversarial(self) -> bool:
        """Whether the student's difference from the teacher has a weight."""
        return self.adversarial > 0

    @property
    def rounds_per_epoch(self) -> int:
        """How many rounds of images each epoch of a trial brings."""
        return self.adversarial_rounds if self.is_adversarial else 0


def to_bytes(images: Tensor) -> Tensor:
    """Rounds images in 0…1 to bytes."""
    return (images.detach() * 255).round().clamp(0, 255).to(torch.uint8)
