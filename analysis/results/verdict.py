"""Is tuning τ worth its energy? One answer per pair of strategies, with the uncertainty it rests on.

The margin is the smallest gain in the score that the reader would pay for. A strategy is *worth it* over a cheaper one
if its gain's interval lies above the margin, *not worth it* if it lies below (the cheaper one is not inferior by the
margin), and otherwise these seeds *cannot tell*. Between strategies that cost as many trainings, as stochastic and
fixed τ do, or a grid and as many restarts at one τ, the words are *better* and *no better* (by the margin). Where every
training gave the same score they are *equal*.

The gain and its interval are those of `search_gain`, at the level that `sequential_looks` leaves to this look. A
setting's first verdict is its primary one and has the full level. Its others share one more level by Holm's procedure,
for each direction on its own.
"""

import dataclasses
import math

from analysis.results.image_crossing import Crossed
from analysis.results.paired_tests import Paired
from analysis.results.search_gain import Gain
from analysis.results.sequential_looks import SeedRange
from analysis.results.verdict_costs import ExtraCosts
from analysis.results.verdict_words import (
    CANNOT_TELL,
    EQUAL,
    choice_in_words,
    gain_in_words,
    place,
    plain,
)

MARGIN_POINTS = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """One strategy against a control. Gains are percentage points of the test score.

    Attributes:
        setting: Data set, teacher, student, objective and setting_id.
        strategy: Label of the strategy that is judged.
        control: Label of the strategy that it is held against.
        metric: What the test score is.
        primary: Whether it is the setting's primary verdict; the others share a level.
        same_cost: Whether both strategies cost as many trainings.
        choice: What the strategy does at its cost, such as `choosing τ from 19 values (grid)`.
        control_choice: What the control does; its label where it is one training.
        gain: The gain and its standard error.
        crossed: Its interval for other seeds and other test images; None where it is not on record which images were
            right.
        paired: The plain tests of the chosen trials' gains, seed by seed.
        margin: Smallest gain that is worth paying for, percentage points.
        p_worth: One-sided p value of the gain exceeding the margin.
        p_not_worth: One-sided p value of the gain staying below the margin.
        looks: Seeds at earlier looks that were taken at this verdict, fewer than now.
        levels: The chance that the interval's lower end is wrong, and its upper end.
        low: Lower end of the gain's interval.
        high: Upper end.
        decision: One of the words of `analysis.results.verdict_words`.
        costs: What choosing τ took more than under the control.
        seed_range: How many more seeds would probably decide; None where it is decided, or no interval says it.
        campaigns: Numbers of the campaigns behind the verdict.
    """

    setting: tuple[str, ...]
    strategy: str
    control: str
    metric: str
    primary: bool
    same_cost: bool
    choice: str
    control_choice: str
    gain: Gain
    crossed: Crossed | None
    paired: Paired
    margin: float
    p_worth: float
    p_not_worth: float
    looks: tuple[int, ...]
    levels: tuple[float, float]
    low: float
    high: float
    decision: str
    costs: ExtraCosts
    seed_range: SeedRange | None
    campaigns: tuple[int, ...]

    @property
    def seeds(self) -> int:
        """Seeds that both strategies have."""
        return self.gain.seeds

    @property
    def extra_kwh(self) -> float:
        """Energy that choosing τ took more than under the control, mean per seed."""
        return self.costs.extra_kwh

    @property
    def cost_multiple(self) -> float:
        """Energy of choosing τ over that under the control."""
        return self.costs.multiples["energy_kwh"]

    @property
    def kwh_per_point(self) -> float:
        """A lower bound of the extra energy per percentage point gained; NaN where the upper end is not positive."""
        return self.per_point(self.extra_kwh)

    def per_point(self, extra: float) -> float:
        """Returns a lower bound of an extra cost per percentage point: over the upper end of the gain."""
        return extra / self.high if self.high > 0 else math.nan

    @property
    def sentence(self) -> str:
        """The verdict in one plain sentence."""
        strategy, control = plain(self.strategy), plain(self.control)
        subject = f"{place(self.setting)}{'' if self.primary else ' (secondary)'}"
        if self.seeds == 0:
            return f"{subject}: {strategy} over {control}: cannot tell, no seed has a test result of both."

        # What it took.
        if self.same_cost:
            instead = strategy if self.control_choice == control else self.choice
            deed = f"{instead} in place of {self.control_choice}{f' ({self.costs.words})' if self.costs.words else ''}"
            verb = "changed"
        else:
            deed = choice_in_words(
                self.choice,
                control,
                extra_trainings=self.costs.extra_trainings,
                costs="; ".join(filter(None, (self.costs.spent, self.costs.words))),
            )
            verb = "and changed"

        # What it got.
        count = "1 seed" if self.seeds == 1 else f"{self.seeds} seeds"
        if self.decision == EQUAL:
            return f"{subject}: {deed} {verb} no test {self.metric} at all: every training of {count} is equal."
        gain = gain_in_words(
            float(self.gain.value),
            self.low,
            self.high,
            seeds=self.seeds,
            further=self.gain.further_seeds,
            control=control,
            spread=bool(self.gain.standard_error != 0),
            earlier=self.looks,
            crossed=(self.crossed.low, self.crossed.high) if self.primary and self.crossed else None,
        )
        answer = f"the margin you set is {self.margin:g}: {self.decision}{self._what_would_tell()}"
        return f"{subject}: {deed} {verb} test {self.metric} by {gain}; {answer}."

    def _what_would_tell(self) -> str:
        if self.decision != CANNOT_TELL:
            return ""
        if self.seeds == 1:
            return " from one seed; without a second one there is no interval, run 3 to 5"
        if self.seed_range is None:
            return "; run more seeds"
        return f"; {self.seed_range.sentence}"
