"""Which strategies are held against which, and what each gains over the other."""

import dataclasses
import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.results.search_arrays import SearchArrays, search_arrays
from analysis.results.search_gain import Gain, SearchValue, gain_of_search, paired_gain, search_value
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
        same_cost: Whether both cost one training.
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
    def choice(self) -> str:
        """What the strategy does at its cost, within a sentence."""
        kind = None if self.seeds.empty else self.seeds["kind"].iloc[0]
        strategy, trained = plain(self.strategy), self._trained
        searched = {} if self.seeds.empty else self.seeds["searched"].iloc[0]

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
        trained = self._trained
        differences = (trained["test_score"] - trained["campaign"].map(control)).dropna()
        chosen = self.seeds["test_score"] - self.seeds["test_score_control"]
        return len(chosen) > 0 and bool((pd.concat([differences, chosen]).abs() < _EQUAL_WITHIN).all())

    @property
    def campaigns(self) -> tuple[int, ...]:
        """Numbers of the campaigns behind the pair."""
        names = ("campaigns", "campaigns_control")
        return tuple(sorted({number for name in names for numbers in self.seeds[name] for number in numbers}))

    @property
    def _trained(self) -> pd.DataFrame:
        """The strategy's complete trials at the seeds that both have."""
        numbers = {number for numbers in self.seeds["campaigns"] for number in numbers}
        return self.trials[self.trials["campaign"].isin(numbers)]


def pairs_of_setting(key: tuple[str, ...], setting: pd.DataFrame, trials: pd.DataFrame, baseline: str) -> list[Pair]:
    """Returns searching strategies over what costs one training, then the latter over each other.

    Args:
        key: The setting.
        setting: Its rows of the runs frame.
        trials: The trials frame.
        baseline: Label or kind of the cheap strategy that tuning is held against.
    """
    labels = setting.drop_duplicates("strategy")
    fixed = list(labels.loc[labels["kind"] == StrategyKind.FIXED, "strategy"])
    cheap = list(labels.loc[(labels["strategy"] == baseline) | (labels["kind"] == baseline), "strategy"])
    cheap = [label for label in cheap if label not in fixed]
    searching = [label for label in labels["strategy"] if label not in (*fixed, *cheap)]

    names = [(strategy, control, False) for strategy in searching for control in (*cheap, *fixed)]
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


def gains_of_pairs(pairs: list[Pair], setting: pd.DataFrame) -> list[Gain]:
    """Returns what each pair's strategy gains over its control.

    Strategies of one trial per seed show no noise of their own; the setting's grid, where it has one, tells what noise
    is to be expected of them.

    Args:
        pairs: What `pairs_of_setting` returned.
        setting: The setting's rows of the runs frame.
    """
    noise = _noise_of_grid(setting, pairs[0].trials) if pairs else None
    return [_gain(pair, noise) for pair in pairs]


def _gain(pair: Pair, noise: SearchValue | None) -> Gain:
    differences = np.array(pair.gains, dtype=np.float64)
    if not len(differences):
        return _no_gain()

    # A search shows its own noise.
    if not pair.same_cost and len(differences) > 1:
        arrays = search_arrays(pair.seeds, pair.trials)
        if arrays.shows_noise:
            return gain_of_search(_value(arrays), pair.other, 100 * pair.further)

    if noise is None:
        return paired_gain(differences, np.asarray(0.0), 0.0)
    expected = 2 * noise.training_variance
    least = np.where(noise.collapses, expected, 0.0)
    return paired_gain(differences, expected, noise.prior_df, least_variance=least)


def _noise_of_grid(setting: pd.DataFrame, trials: pd.DataFrame) -> SearchValue | None:
    """Returns what the setting's first grid of two seeds or more shows; None where there is none."""
    grids = setting[(setting["kind"] == StrategyKind.GRID) & setting["test_score"].notna()]

    for label in grids["strategy"].unique():
        arrays = search_arrays(grids[grids["strategy"] == label], trials)
        if len(arrays.chosen) > 1 and arrays.shows_noise:
            return _value(arrays)
    return None


def _value(arrays: SearchArrays) -> SearchValue:
    return search_value(arrays.validation, arrays.test, taus=arrays.taus, chosen=arrays.chosen)


def _no_gain() -> Gain:
    nothing = np.asarray(math.nan)
    return Gain(
        value=nothing, standard_error=nothing, df=nothing, seeds=0, further_seeds=0,
        own_variance=nothing, prior_variance=nothing, prior_df=nothing,
    )  # fmt: skip
