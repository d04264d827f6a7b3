"""Successive halving: all τ are trained for a few epochs, and the better part of them goes on, rung after rung."""

from typing import Annotated, ClassVar

import pydantic

from greenkd.records import StrategyKind
from greenkd.temperature.rungs import Rung
from greenkd.temperature.strategies import STRATEGY, Grid


@pydantic.dataclasses.dataclass(frozen=True, config=STRATEGY)
class Halving(Grid):
    """A grid of which the better third goes on at each rung (Jamieson & Talwalkar, AISTATS 2016).

    A rung is a pause and not a shorter training: learning rate, schedule and rule see the epochs of the whole training,
    and whatever goes on does so from its checkpoint. So the training of the τ that is chosen is, to the last bit, the
    one that `Grid` makes of the same τ. A rung is decided when all of its trainings have ended it, on validation alone,
    so the decision does not depend on how many run at the same time.

    The last rung is the whole training, the one before has a third of its epochs, and so on; with as many rungs as it
    takes to come down to one training, each costs about the same.

    Attributes:
        reduction_factor: One training in so many goes on at a rung; the next rung is as many times longer.
        min_epochs: Epochs before which no training is stopped.
    """

    kind: ClassVar[StrategyKind] = StrategyKind.SEARCH
    reduction_factor: Annotated[int, pydantic.Field(ge=2)] = 3
    min_epochs: Annotated[int, pydantic.Field(ge=1)] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.planned_trials() < 2:
            raise ValueError("taus lists one τ, so there is nothing to stop; list several, or take temperature=fixed")

    def rungs(self, epochs: int) -> list[Rung]:
        """Returns the rungs, the first one with all trials.

        Args:
            epochs: Epochs of a whole training.

        Raises:
            ValueError: `min_epochs` leaves no rung before the end.
        """
        if self.min_epochs >= epochs:
            raise ValueError(
                f"min_epochs={self.min_epochs} of {epochs} epochs: every τ would be trained to its end; "
                "give fewer than training.epochs, or take temperature=grid"
            )

        counts = [self.planned_trials()]
        while counts[-1] > 1:
            counts.append(max(counts[-1] // self.reduction_factor, 1))

        parts = [epochs // self.reduction_factor**power for power in range(1, len(counts))]
        pauses = sorted({max(part, self.min_epochs) for part in parts})
        return [Rung(end, count) for end, count in zip([*pauses, epochs], counts, strict=False)]
