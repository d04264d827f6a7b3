"""Which strategies are held against which."""

import dataclasses
import math
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.frames.groupby import groups
from analysis.results.verdict_words import plain
from greenkd.records import StrategyKind, TrialStatus

FloatArray = NDArray[np.float64]

_EQUAL_WITHIN = 1e-12  # fractions: sums in another order may differ in the last digit

# What verdicts are made of; frames of all columns take most of a verdict's time.
_RUNS = (
    *("seed", "strategy", "kind", "searched", "campaigns", "trial", "chosen_tau", "planned_trials", "complete_trials"),
    *("test_score", "meter", "carbon"),
    *(f"tuning_{name}" for name in ("energy_kwh", "cpu_s", "flops", "co2eq_g")),
)
_TRIALS = ("campaign", "trial", "status", "tau", "val_score", "test_score")


@dataclasses.dataclass(frozen=True)
class StrategyRuns:
    """The tested runs of a strategy at some seeds, which its pairs share.

    Attributes:
        strategy: Its label.
        frame: One row per seed, columns of the runs frame.
        trials: The setting's complete trials.
    """

    strategy: str
    frame: pd.DataFrame
    trials: pd.DataFrame

    @cached_property
    def campaigns(self) -> tuple[int, ...]:
        """Numbers of the campaigns behind the runs, seed by seed."""
        return tuple(number for numbers in self.frame["campaigns"] for number in numbers)

    @cached_property
    def scores(self) -> FloatArray:
        """Test scores of the chosen trials, fractions, one per seed."""
        return self.frame["test_score"].to_numpy(dtype=np.float64)

    @cached_property
    def trained(self) -> pd.DataFrame:
        """The complete trials of the runs."""
        return self.trials[self.trials["campaign"].isin(set(self.campaigns))]

    @cached_property
    def choice(self) -> str:
        """What the strategy does at its cost, within a sentence."""
        name = plain(self.strategy)
        kind = None if self.frame.empty else self.frame["kind"].iloc[0]
        searched = {} if self.frame.empty else self.frame["searched"].iloc[0]
        count, taus = self.trained["trial"].nunique(), self.trained["tau"].nunique()

        if searched and count > 1:
            *others, last = searched
            what, name = f"{', '.join(('τ', *others))} and {last}", name.partition(" τ ×")[0]
            if kind == StrategyKind.GRID:
                return f"choosing {what} from {count} combinations ({name})"
            return f"choosing {what} in {count} trainings by {name}"
        if kind == StrategyKind.GRID and taus:
            return f"choosing τ from {taus} values ({name})"
        if kind == StrategyKind.RESTARTS:
            return f"choosing the best of {count} trainings at one τ ({name})"
        if count == 1:
            return f"training by {name}"
        return f"choosing τ by {name}"


@dataclasses.dataclass(frozen=True)
class Pair:
    """A strategy and its control in one setting.

    Attributes:
        setting: Data set, teacher, student, objective and setting_id.
        metric: What the test score is.
        ours: The strategy's runs at the seeds that both have.
        theirs: The control's, seed by seed in the same order.
        further: Test scores of the control at seeds that the strategy lacks, fractions.
        same_cost: Whether both cost as many trainings.
    """

    setting: tuple[str, ...]
    metric: str
    ours: StrategyRuns
    theirs: StrategyRuns
    further: FloatArray
    same_cost: bool

    @property
    def strategy(self) -> str:
        """Label of the strategy that is judged."""
        return self.ours.strategy

    @property
    def control(self) -> str:
        """Label of the one that it is held against."""
        return self.theirs.strategy

    @property
    def gains(self) -> list[float]:
        """Differences of the test scores, percentage points, one per seed."""
        return list(100 * (self.ours.scores - self.theirs.scores))

    @property
    def other(self) -> FloatArray:
        """The control's test scores in points, one per seed."""
        return 100 * self.theirs.scores

    @property
    def control_chooses(self) -> bool:
        """Whether the control is the best of several trainings too; a control that is one of a grid's is not."""
        runs = self.theirs.frame
        return not runs.empty and bool(runs["planned_trials"].max() > 1)

    @property
    def choice(self) -> str:
        """What the strategy does at its cost, within a sentence."""
        return self.ours.choice

    @property
    def control_choice(self) -> str:
        """What the control does at its cost, within a sentence; its label where it is one training."""
        return self.theirs.choice if self.control_chooses else plain(self.control)

    @property
    def is_equal(self) -> bool:
        """Whether every training of the strategy has the test score of the control at its seed."""
        chosen = self.ours.scores - self.theirs.scores
        if not len(chosen) or not (np.abs(chosen) < _EQUAL_WITHIN).all():
            return False

        control = {
            number: score
            for numbers, score in zip(self.ours.frame["campaigns"], self.theirs.scores.tolist(), strict=True)
            for number in numbers
        }
        trained = zip(self.ours.trained["campaign"], self.ours.trained["test_score"].tolist(), strict=True)
        return all(math.isnan(score) or abs(score - control[campaign]) < _EQUAL_WITHIN for campaign, score in trained)

    @property
    def campaigns(self) -> tuple[int, ...]:
        """Numbers of the campaigns behind the pair."""
        return tuple(sorted({*self.ours.campaigns, *self.theirs.campaigns}))


def pairs_of_setting(key: tuple[str, ...], setting: pd.DataFrame, trials: pd.DataFrame, baseline: str) -> list[Pair]:
    """Returns searching strategies over what costs one training, then over restarts, then the cheap over each other.

    Restarts are what choosing the best of k trainings buys without τ: a search over them says what τ adds to that.

    Args:
        key: The setting.
        setting: Its rows of the runs frame.
        trials: Its rows of the trials frame.
        baseline: Label or kind of the cheap strategy that tuning is held against.
    """
    labels = setting.drop_duplicates("strategy")
    fixed = list(labels.loc[labels["kind"] == StrategyKind.FIXED, "strategy"])
    cheap = list(labels.loc[(labels["strategy"] == baseline) | (labels["kind"] == baseline), "strategy"])
    cheap = [label for label in cheap if label not in fixed]
    restarts = list(labels.loc[labels["kind"] == StrategyKind.RESTARTS, "strategy"])
    restarts = [label for label in restarts if label not in cheap]
    searching = [label for label in labels["strategy"] if label not in (*fixed, *cheap, *restarts)]

    planned = dict(zip(labels["strategy"], labels["planned_trials"], strict=True))
    names = [(strategy, control, False) for strategy in (*searching, *restarts) for control in (*cheap, *fixed)]
    names += [(search, control, planned[search] == planned[control]) for search in searching for control in restarts]
    names += [(strategy, control, True) for strategy in cheap for control in fixed]

    tested = setting.loc[setting["test_score"].notna(), list(_RUNS)]
    runs_of = dict.fromkeys(labels["strategy"], tested.iloc[:0])
    runs_of |= {label: runs for (label,), runs in groups(tested, ["strategy"])}
    complete = trials.loc[trials["status"] == TrialStatus.COMPLETE, list(_TRIALS)]

    known: dict[tuple[str, tuple[int, ...]], StrategyRuns] = {}
    pairs = []
    for strategy, control, same_cost in names:
        theirs = runs_of[control]
        is_common = runs_of[strategy]["seed"].isin(theirs["seed"])
        seeds = tuple(runs_of[strategy].loc[is_common, "seed"].tolist())
        for label in (strategy, control):
            if (label, seeds) not in known:
                known[label, seeds] = _at_seeds(label, runs_of[label], seeds, complete)

        further = theirs.loc[~theirs["seed"].isin(seeds), "test_score"]
        pairs.append(
            Pair(
                setting=key,
                metric=str(setting["metric"].iloc[0]),
                ours=known[strategy, seeds],
                theirs=known[control, seeds],
                further=further.to_numpy(dtype=np.float64),
                same_cost=same_cost,
            )
        )
    return pairs


def _at_seeds(label: str, runs: pd.DataFrame, seeds: tuple[int, ...], trials: pd.DataFrame) -> StrategyRuns:
    """Returns the runs of a strategy at some seeds, in the order of these."""
    place_of = {seed: place for place, seed in enumerate(runs["seed"].tolist())}
    return StrategyRuns(label, runs.take([place_of[seed] for seed in seeds]), trials)
