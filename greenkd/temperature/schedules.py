"""Schedules: the teacher's and the student's τ at every step of one training.

A schedule is a function of (seed, epoch, steps): nothing is carried from one epoch to the next, so a resumed training
sees the same τ, and the τ of any batch can be recomputed from a record.
"""

import dataclasses
import math
from typing import Annotated, Literal, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
import pydantic

from greenkd.streams import numpy_stream

Distribution = Literal["uniform_int", "uniform", "log_uniform"]
Tau = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]
STRICT = pydantic.ConfigDict(extra="forbid")
Shape = Literal["linear", "cosine", "step", "cyclic"]


class TauRange(NamedTuple):
    """What τ is drawn or searched from; see `check_range`."""

    low: float
    high: float
    distribution: Distribution


@dataclasses.dataclass(frozen=True)
class Temperatures:
    """τ for the steps of one epoch.

    Attributes:
        teacher: τ that softens the teacher's logits, shape [steps].
        student: τ that softens the student's logits, shape [steps].
    """

    teacher: npt.NDArray[np.float32]
    student: npt.NDArray[np.float32]

    @classmethod
    def shared(cls, values: npt.NDArray[np.floating]) -> Self:
        """One τ for both networks, as in Hinton et al. (2015)."""
        taus = values.astype(np.float32)
        return cls(teacher=taus, student=taus)


@runtime_checkable
class Schedule(Protocol):
    """What a class must have to be named by `temperature.schedule._target_`."""

    def temperatures(self, *, seed: int, epoch: int, epochs: int, steps: int) -> Temperatures:
        """Returns τ for every step of one epoch.

        Args:
            seed: The campaign's seed.
            epoch: Zero-based epoch.
            epochs: Epochs of the whole training.
            steps: Batches in this epoch.
        """
        ...


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class Constant:
    """The same τ at every step.

    Attributes:
        tau: τ, above 0.

    >>> Constant(tau=4).temperatures(seed=0, epoch=0, epochs=1, steps=3).teacher
    array([4., 4., 4.], dtype=float32)
    """

    tau: Tau

    def temperatures(self, *, seed: int, epoch: int, epochs: int, steps: int) -> Temperatures:
        """Returns τ at every step."""
        return Temperatures.shared(np.full(steps, self.tau))


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class RandomPerBatch:
    """A new τ for every batch, shared by teacher and student (Rafat et al., PLOS ONE 18(5): e0285668, 2023).

    The reachable material of that work draws integers from 2 to 20, each with the same probability.

    Attributes:
        low: Smallest τ, above 0.
        high: Largest τ, above `low`.
        distribution: `uniform_int` draws whole numbers, `uniform` any, `log_uniform` any with a uniform logarithm.

    >>> schedule = RandomPerBatch(low=2, high=20, distribution="uniform_int")
    >>> first, again = (schedule.temperatures(seed=0, epoch=0, epochs=1, steps=500).student for _ in range(2))
    >>> float(first.min()), float(first.max()), bool((first == again).all())
    (2.0, 20.0, True)
    """

    low: Tau
    high: Tau
    distribution: Distribution

    def __post_init__(self) -> None:
        check_range(self.low, self.high, self.distribution)

    def temperatures(self, *, seed: int, epoch: int, epochs: int, steps: int) -> Temperatures:
        """Returns one independent draw per step; both ends of the range can be drawn."""
        generator = numpy_stream(seed, "temperature", epoch)

        if self.distribution == "uniform_int":
            taus = generator.integers(int(self.low), int(self.high) + 1, steps).astype(np.float64)
        elif self.distribution == "uniform":
            taus = generator.uniform(self.low, self.high, steps)
        else:
            taus = np.exp(generator.uniform(math.log(self.low), math.log(self.high), steps))

        return Temperatures.shared(taus)


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class Annealed:
    """τ that runs from `start` at the first step to `end`, and stays there.

    Attributes:
        start: τ at the first step of the training, above 0.
        end: τ at the last step of the run, above 0; `cyclic` is back at `start` there.
        shape: How τ runs: `linear` in a straight line; `cosine` in half a cosine wave, slowly at both ends; `step` in
            `levels` equal stairs, of which the first is `start` and the last `end`; `cyclic` to `end` and back
            `cycles` times, in whole cosine waves.
        levels: Stairs of `step`.
        cycles: Waves of `cyclic`.
        over: Share of the training's steps that the run takes; afterwards τ stays as it is at the run's end.

    >>> Annealed(start=9, end=1).temperatures(seed=0, epoch=0, epochs=1, steps=5).student
    array([9., 7., 5., 3., 1.], dtype=float32)
    """

    start: Tau
    end: Tau
    shape: Shape = "linear"
    levels: Annotated[int, pydantic.Field(ge=2)] = 5
    cycles: Annotated[int, pydantic.Field(ge=1)] = 4
    over: Annotated[float, pydantic.Field(gt=0, le=1)] = 1.0

    def temperatures(self, *, seed: int, epoch: int, epochs: int, steps: int) -> Temperatures:
        """Returns τ by the steps' positions in the whole training."""
        last_step = max(epochs * steps - 1, 1)
        position = (epoch * steps + np.arange(steps)) / last_step  # 0 at the first step of the training, 1 at the last
        progress = position if self.over == 1 else np.minimum(position / self.over, 1)

        if self.shape == "cosine":
            progress = (1 - np.cos(np.pi * progress)) / 2
        elif self.shape == "step":
            progress = np.minimum(np.floor(progress * self.levels), self.levels - 1) / (self.levels - 1)
        elif self.shape == "cyclic":
            progress = (1 - np.cos(2 * np.pi * self.cycles * progress)) / 2

        return Temperatures.shared(self.start + (self.end - self.start) * progress)


def check_range(low: float, high: float, distribution: Distribution) -> None:
    """Refuses an empty range, and ends that are not whole numbers where integers are drawn.

    Raises:
        ValueError: low ≥ high, or `uniform_int` with a fractional end.
    """
    if low >= high:
        raise ValueError(f"low={low:g} must be below high={high:g}")

    if distribution == "uniform_int" and not (float(low).is_integer() and float(high).is_integer()):
        raise ValueError(
            f"low={low:g} and high={high:g} must be whole numbers for distribution=uniform_int; "
            "or take distribution=uniform"
        )
