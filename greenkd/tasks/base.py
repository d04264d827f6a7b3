"""What every task answers: splits, outputs, scores."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from greenkd.data import Dataset, Images


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


class Precision(Protocol):
    """The part of a recipe that an evaluation needs: in which precision networks run."""

    def autocast(self, device: torch.device) -> AbstractContextManager[object]:
        """Returns the context in which the networks run on a device."""
        ...


class Evaluator(ABC):
    """Scores networks on one split, which lies on the device."""

    @abstractmethod
    def __len__(self) -> int:
        """Returns the number of images in the split."""

    @abstractmethod
    def __call__(self, network: nn.Module, precision: Precision) -> Score:
        """Runs a network in evaluation mode over the split; leaves it in that mode."""

    def examine(self, network: nn.Module, precision: Precision) -> DetailedScore:
        """Runs a network over the split as a call does, and looks closer; the score is the same to the last bit."""
        return DetailedScore(*self(network, precision))


class Task(ABC):
    """What is being learned.

    Attributes:
        name: As the data set's option names it.
        metric: What selects trials and stands in tables.
    """

    name: str
    metric: Metric

    @abstractmethod
    def split(self, images: Images, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
        """Divides positions of the training part into a training and a validation part, each int64, ascending.

        Args:
            images: The data set's training part.
            fraction: Share that goes to validation.
            seed: Seed of the split.
        """

    @abstractmethod
    def output_shape(self, dataset: Dataset) -> tuple[int, ...]:
        """Returns the shape of what a network says about one image; a batch of B adds a leading B."""

    @abstractmethod
    def evaluator(self, images: Images, mean: Sequence[float], std: Sequence[float], device: torch.device) -> Evaluator:
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

        Args:
            outputs: What the network said, [B, *output_shape].
            targets: What the data set says, first dimension B.
        """
