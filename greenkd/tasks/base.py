"""What every task answers: splits, outputs, scores."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn

from greenkd.data import AnyDataset, Augmentation, DetectionAugmentation, DetectionImages, Images
from greenkd.objectives import Objective
from greenkd.records import DataRecord
from greenkd.records.examples import Examples

ImagesT = TypeVar("ImagesT", Images, DetectionImages)
AugmentationT = TypeVar("AugmentationT", Augmentation, DetectionAugmentation)


@dataclasses.dataclass(frozen=True)
class Metric:
    """What a network is scored by on a split.

    Attributes:
        name: As records and tables show it.
        unit: Of the value times `scale`.
        scale: What a stored value is multiplied by to be shown in `unit`.
        larger_is_better: The direction; strategies maximise it where true.
    """

    name: str
    unit: str
    scale: float
    larger_is_better: bool = True


class Score(NamedTuple):
    """A network's result on a split."""

    value: float  # the task's metric
    loss: float  # the task's loss, a mean over the split's images


class DetailedScore(NamedTuple):
    """A network's result on a split, and what one number for the whole split does not show."""

    value: float  # as in `Score`
    loss: float
    calibration_error: float | None = None  # see `ClassificationEvaluator`; None where a task has none
    correct: Tensor | None = None  # [N] bool on the CPU, in the split's order; None where a task has none
    details: Mapping[str, float] | None = None  # other figures of the task, by name; None where it has none


class Targets(NamedTuple):
    """What the data set says about a batch of B images, as objectives take it."""

    labels: Tensor  # int64 [B], or [B, A] with A anchors
    offsets: Tensor | None = None  # float32 [B, A, 4]; None in classification


class Precision(Protocol):
    """The part of a recipe that an evaluation needs: in which precision networks run."""

    def autocast(self, device: torch.device) -> AbstractContextManager[object]:
        """Returns the context in which the networks run on a device."""
        ...


class Evaluator(ABC):
    """Scores networks on one split, which lies on the device."""

    batch_size: int
    """Images that go through a network together."""
    before_batch: Callable[[], None] | None = None
    """Called before every batch where these take long, as in detection; may raise to leave the evaluation off."""

    @abstractmethod
    def __len__(self) -> int:
        """Returns the number of images in the split."""

    @abstractmethod
    def __call__(self, network: nn.Module, precision: Precision) -> Score:
        """Runs a network in evaluation mode over the split; leaves it in that mode."""

    def examine(self, network: nn.Module, precision: Precision) -> DetailedScore:
        """Runs a network over the split as a call does, and looks closer; the score is the same to the last bit."""
        return DetailedScore(*self(network, precision))

    def examples(self, networks: Mapping[str, nn.Module], precision: Precision) -> Examples | None:
        """Returns what networks, by role, say about a few images of the split, to be looked at; None: there is none."""
        return None

    def use(self, network: nn.Module, precision: Precision) -> None:
        """Does over the split what using a network comes to, whose cost is metered: here, what a call does."""
        self(network, precision)


class Task(ABC, Generic[ImagesT, AugmentationT]):
    """What is being learned on a data set.

    Attributes:
        name: As the data set's option names it.
        metric: What selects trials and stands in tables.
        has_hits: Whether images of a training batch are right or wrong, so that epochs have a train score.
        outputs: What networks return, in a word or a few.
        supplied: The arguments by which they can know its shape, for messages.
    """

    name: str
    metric: Metric
    has_hits: bool
    outputs: str
    supplied: str

    @abstractmethod
    def split(self, images: ImagesT, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
        """Divides positions of the training part into a training and a validation part, each int64, ascending.

        Args:
            images: The data set's training part.
            fraction: Share that goes to validation.
            seed: Seed of the split.
        """

    @abstractmethod
    def given(self, dataset: AnyDataset | DataRecord) -> dict[str, object]:
        """Returns the arguments that networks are given by the data set, or by what is on record about it."""

    @abstractmethod
    def num_labels(self, dataset: AnyDataset) -> int:
        """Returns how many different labels a sample may have: the classes, and the background where there is one."""

    @abstractmethod
    def output_shape(self, dataset: AnyDataset) -> tuple[int, ...]:
        """Returns the shape of what a network says about one image; a batch of B adds a leading B."""

    @abstractmethod
    def supervised(self) -> Objective:
        """Returns the loss of base training, by which teachers are trained."""

    @abstractmethod
    def draw_views(self, images: ImagesT, augmentation: AugmentationT, seed: int, epoch: int) -> Any:
        """Draws on the CPU what one epoch does to every training image."""

    @abstractmethod
    def present(
        self, images: ImagesT, augmentation: AugmentationT, views: Any, indices: Tensor
    ) -> tuple[Tensor, Targets]:
        """Returns the augmented images of one batch, uint8 [B, C, H, W], and what the data set says about them.

        Args:
            images: The whole training split, on the device.
            augmentation: That of the views.
            views: This epoch's, on the same device.
            indices: int64 [B], positions in the training split, on the same device.
        """

    @abstractmethod
    def evaluator(
        self, images: ImagesT, mean: Sequence[float], std: Sequence[float], device: torch.device
    ) -> Evaluator:
        """Returns what scores networks on a split.

        Args:
            images: The split; nothing in it is augmented.
            mean: Per-channel mean of the normalisation.
            std: Per-channel standard deviation.
            device: Where the networks lie.
        """

    @abstractmethod
    def count_hits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Counts what a training batch got right, 0-dim int64 on the device; over the images it is the train score.

        Without hits it is 0.

        Args:
            outputs: What the network said, [B, *output_shape].
            targets: What the data set says, first dimension B.
        """


AnyTask = Task[Any, Any]
"""A task whose kind of images does not matter."""
