"""Which strategies are held against which."""

import dataclasses
from collections.abc import Collection

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.results.verdict_words import plain
from greenkd.records import StrategyKind, TrialStatus

FloatArray = NDArray[np.float64]

_EQUAL_WITHIN = 1e-12  # fractions: sums in another order may differ in the last digit


@dataclasses.dataclass(frozen=True)
class Pair:
    """A strategy and its control in one setting.

    Attributes:
        setting: Data set, teacher, student, objective and setting_id.
        strategy: Label of the strategy that is judged.
        control: Label of the one that it is held against.
        metric: What the test score is.
        seeds: The runs of the seeds that both have: columns of the runs frame, the control's with the suffix _control.
        further: Test scores of the control at seeds that the strategy lacks, fractions.
        same_cost: Whether both cost as many trainings.
        trials: The setting's complete trials.
    """

    setting: tuple[str, ...]
    strategy: str
    control: str
    metric: str
    seeds: pd.DataFrame
    further: FloatArray
    same_cost: bool
    trials: pd.DataFrame

    @property
    def gains(self) -> list[float]:
        """Differences of the test scores, percentage points, one per seed."""
        return list(100 * (self.seeds["test_score"] - self.seeds["test_score_control"]))

    @property
    def other(self) -> FloatArray:
        """The control's test scores in points, one per seed."""
        return 100 * self.seeds["test_score_control"].to_numpy(dtype=np.float64)

    @property
    def control_runs(self) -> pd.DataFrame:
        """The control's runs at the seeds that both have."""
        names = [name for name in self.seeds.columns if name.endswith("_control")]
        return self.seeds[names].rename(columns=lambda name: name.removesuffix("_control"))

    @property
    def control_chooses(self) -> bool:
        """Whether the control is the best of several trainings too; a control that is one of a grid's is not."""
        return not self.seeds.empty and self.seeds["planned_trials_control"].max() > 1

    @property
    def choice(self) -> str:
        """What the strategy does at its cost, within a sentence."""
        kind = None if self.seeds.empty else self.seeds["kind"].iloc[0]
        searched = {} if self.seeds.empty else self.seeds["searched"].iloc[0]
        return self._choice(plain(self.strategy), kind, searched, self._trained(self.seeds))

    @property
    def control_choice(self) -> str:
        """What the control does at its cost, within a sentence; its label where it is one training."""
        if not self.control_chooses:
            return plain(self.control)
        runs = self.control_runs
        first = runs.iloc[0]
        return self._choice(plain(self.control), first["kind"], first["searched"], self._trained(runs))

    @staticmethod
    def _choice(strategy: str, kind: object, searched: Collection[str], trained: pd.DataFrame) -> str:
        if searched and trained["trial"].nunique() > 1:
            *others, last = searched
            what, name = f"{', '.join(('τ', *others))} and {last}", strategy.partition(" τ ×")[0]
            if kind == StrategyKind.GRID:
                return f"choosing {what} from {trained['trial'].nunique()} combinations ({name})"
            return f"choosing {what} in {trained['trial'].nunique()} trainings by {name}"
        if kind == StrategyKind.GRID and trained["tau"].nunique():
            return f"choosing τ from {trained['tau'].nunique()} values ({strategy})"
        if kind == StrategyKind.RESTARTS:
            return f"choosing the best of {trained['trial'].nunique()} trainings at one τ ({strategy})"
        if trained["trial"].nunique() == 1:
            return f"training by {strategy}"
        return f"choosing τ by {strategy}"

    @property
    def is_equal(self) -> bool:
        """Whether every training of the strategy has the test score of the control at its seed."""
        control = {
            number: score
            for numbers, score in zip(self.seeds["campaigns"], self.seeds["test_score_control"], strict=True)
            for number in numbers
        }
        trained = self._trained(self.seeds)
        differences = (trained["test_score"] - trained["campaign"].map(control)).dropna()
        chosen = self.seeds["test_score"] - self.seeds["test_score_control"]
        return len(chosen) > 0 and bool((pd.concat([differences, chosen]).abs() < _EQUAL_WITHIN).all())

    @property
    def campaigns(self) -> tuple[int, ...]:
        """Numbers of the campaigns behind the pair."""
        names = ("campaigns", "campaigns_control")
        return tuple(sorted({number for name in names for numbers in self.seeds[name] for number in numbers}))

    def _trained(self, runs: pd.DataFrame) -> pd.DataFrame:
        """Returns the complete trials of some runs."""
        numbers = {number for numbers in runs["campaigns"] for number in numbers}
        return self.trials[self.trials["campaign"].isin(numbers)]


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

    complete = trials[trials["status"] == TrialStatus.COMPLETE]
    return [_pair(key, setting, complete, strategy, control, same_cost) for strategy, control, same_cost in names]


def _pair(
    key: tuple[str, ...], setting: pd.DataFrame, trials: pd.DataFrame, strategy: str, control: str, same_cost: bool
) -> Pair:
    tested = setting[setting["test_score"].notna()]
    runs, controls = tested[tested["strategy"] == strategy], tested[tested["strategy"] == control]
    further = controls.loc[~controls["seed"].isin(runs["seed"]), "test_score"]

    return Pair(
        setting=key,
        strategy=strategy,
        control=control,
        metric=str(setting["metric"].iloc[0]),
        seeds=runs.merge(controls, on="seed", suffixes=("", "_control")),
        further=further.to_numpy(dtype=np.float64),
        same_cost=same_cost,
        trials=trials,
    )
