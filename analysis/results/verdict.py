"""Is tuning τ worth its energy? One answer per pair of strategies, with the uncertainty it rests on.

The margin is the smallest gain in the score that the reader would pay for. A strategy is *worth it* over a cheaper one
if its gain is shown to exceed the margin, *not worth it* if its gain is shown to stay below it (the cheaper one is not
inferior by the margin), and otherwise these seeds *cannot tell*. Between stochastic and fixed τ, which cost one
training each, the words are *better* and *no better* (by the margin). "Shown" is a one-sided paired t test,
Holm-corrected over all comparisons of the report, at `alpha`: a wrong "worth it" anywhere in a report has probability
alpha at most.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.frames import columns
from analysis.frames.groupby import groups
from analysis.results.comparison import Comparison
from analysis.results.paired_tests import Paired, holm, paired, seeds_needed
from analysis.results.verdict_words import BETTER, CANNOT_TELL, NO_BETTER, NOT_WORTH, WORTH, verdict_sentence
from greenkd.records import StrategyKind

ALPHA = 0.05
MARGIN_POINTS = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """One strategy against a control, over the seeds that both have. Gains are percentage points of the test score.

    Attributes:
        setting: Data set, teacher, student, objective and setting_id.
        strategy: Label of the strategy that is judged.
        control: Label of the strategy that it is held against.
        metric: What the test score is.
        paired: The tests of the gains, seed by seed.
        margin: Smallest gain that is worth paying for, percentage points.
        p_worth: Holm-corrected p value of the gain exceeding the margin.
        p_not_worth: Holm-corrected p value of the gain staying below the margin.
        decision: One of the words of `analysis.results.verdict_words`.
        extra_kwh: Energy that choosing τ took more than under the control, mean per seed.
        cost_multiple: Energy of choosing τ over that under the control.
        more_seeds: Further seeds to decide with power 0.8, if the gain and its spread are what they look like; None
            where the verdict is decided or no number of seeds would be enough.
        campaigns: Numbers of the campaigns behind the verdict.
    """

    setting: tuple[str, ...]
    strategy: str
    control: str
    metric: str
    paired: Paired
    margin: float
    p_worth: float
    p_not_worth: float
    decision: str
    extra_kwh: float
    cost_multiple: float
    more_seeds: int | None
    campaigns: tuple[int, ...]

    @property
    def kwh_per_point(self) -> float:
        """Extra energy per percentage point gained; NaN where nothing was gained."""
        return self.extra_kwh / self.paired.mean if self.paired.mean > 0 else math.nan

    @property
    def sentence(self) -> str:
        """The verdict in one plain sentence."""
        return verdict_sentence(
            setting=self.setting,
            strategy=self.strategy,
            control=self.control,
            gains=self.paired,
            margin=self.margin,
            decision=self.decision,
            cost_multiple=self.cost_multiple,
            more_seeds=self.more_seeds,
        )


@dataclasses.dataclass(frozen=True)
class _Pair:
    """A strategy and its control in one setting, with the runs of the seeds that both have."""

    setting: tuple[str, ...]
    strategy: str
    control: str
    metric: str
    seeds: pd.DataFrame  # columns of the runs frame, the control's with the suffix _control
    same_cost: bool  # whether both cost one training

    @property
    def gains(self) -> list[float]:
        """Differences of the test scores, percentage points, one per seed."""
        return list(100 * (self.seeds["test_score"] - self.seeds["test_score_control"]))


def verdicts(
    comparison: Comparison,
    *,
    margin: float = MARGIN_POINTS,
    baseline: str = "stochastic",
    alpha: float = ALPHA,
    mix_meters: bool = False,
) -> list[Verdict]:
    """Judges every searching strategy against fixed τ and against the baseline, and the baseline against fixed τ.

    Args:
        comparison: What `compare` made.
        margin: Smallest gain worth paying for, percentage points of the test score.
        baseline: Label or kind of the cheap strategy that tuning is held against.
        alpha: Family-wise error rate over all verdicts returned.
        mix_meters: Subtract energies of different meters all the same.
    """
    pairs = [
        pair
        for key, setting in groups(comparison.runs, columns.SETTING)
        for pair in _pairs_of_setting(key, setting, baseline)
    ]

    # All tests first: Holm's correction needs every p value of the report.
    results = [paired(pair.gains, margin) for pair in pairs]
    p_worth = holm([result.p_above for result in results])
    p_not_worth = holm([result.p_below for result in results])
    tests = max(1, sum(not math.isnan(result.p_above) for result in results))

    judged = []
    for pair, result, p_above, p_below in zip(pairs, results, p_worth, p_not_worth, strict=True):
        decision = _decide(pair, p_above, p_below, alpha)
        needed = seeds_needed(result.mean - margin, result.sd, tests=tests, alpha=alpha)
        extra_kwh, cost_multiple = _extra_cost(pair.seeds, mix_meters=mix_meters)

        judged.append(
            Verdict(
                setting=pair.setting,
                strategy=pair.strategy,
                control=pair.control,
                metric=pair.metric,
                paired=result,
                margin=margin,
                p_worth=p_above,
                p_not_worth=p_below,
                decision=decision,
                extra_kwh=extra_kwh,
                cost_multiple=cost_multiple,
                more_seeds=None if needed is None or decision != CANNOT_TELL else max(1, needed - result.seeds),
                campaigns=_campaigns_behind(pair.seeds),
            )
        )

    return judged


def _pairs_of_setting(key: tuple[str, ...], setting: pd.DataFrame, baseline: str) -> list[_Pair]:
    """Returns searching strategies over what costs one training, then the latter over each other."""
    labels = setting.drop_duplicates("strategy")
    fixed = list(labels.loc[labels["kind"] == StrategyKind.FIXED, "strategy"])
    cheap = list(labels.loc[(labels["strategy"] == baseline) | (labels["kind"] == baseline), "strategy"])
    cheap = [label for label in cheap if label not in fixed]
    searching = [label for label in labels["strategy"] if label not in (*fixed, *cheap)]

    names = [(strategy, control, False) for strategy in searching for control in (*cheap, *fixed)]
    names += [(strategy, control, True) for strategy in cheap for control in fixed]

    metric = str(setting["metric"].iloc[0])
    return [
        _Pair(key, strategy, control, metric, _common_seeds(setting, strategy, control), same_cost)
        for strategy, control, same_cost in names
    ]


def _common_seeds(setting: pd.DataFrame, strategy: str, control: str) -> pd.DataFrame:
    """Returns one row per seed that was tested under both strategies."""
    both = setting[setting["strategy"] == strategy].merge(
        setting[setting["strategy"] == control], on="seed", suffixes=("", "_control")
    )
    return both[both["test_score"].notna() & both["test_score_control"].notna()]


def _decide(pair: _Pair, p_worth: float, p_not_worth: float, alpha: float) -> str:
    if p_worth <= alpha:
        return BETTER if pair.same_cost else WORTH
    if p_not_worth <= alpha:
        return NO_BETTER if pair.same_cost else NOT_WORTH
    return CANNOT_TELL


def _extra_cost(seeds: pd.DataFrame, *, mix_meters: bool) -> tuple[float, float]:
    """Returns the energy spent more than under the control, mean per seed, and the ratio of both; NaN where unknown."""
    same_meter = mix_meters or bool((seeds["meter"] == seeds["meter_control"]).all())
    if not same_meter:
        return math.nan, math.nan

    energy, control = seeds["tuning_energy_kwh"], seeds["tuning_energy_kwh_control"]
    extra_kwh = float((energy - control).mean(skipna=False))
    if not control.sum() > 0:
        return extra_kwh, math.nan
    return extra_kwh, float(energy.sum(skipna=False) / control.sum(skipna=False))


def _campaigns_behind(seeds: pd.DataFrame) -> tuple[int, ...]:
    names = ("campaigns", "campaigns_control")
    return tuple(sorted({number for name in names for numbers in seeds[name] for number in numbers}))


_IN_POINTS = frozenset({"mean", "sd", "low", "high", "bootstrap_low", "bootstrap_high"})


def verdict_frame(judged: Sequence[Verdict]) -> pd.DataFrame:
    """Returns the verdicts as a frame, one row each, for files."""
    rows: list[dict[str, Any]] = []
    for verdict in judged:
        row: dict[str, Any] = dict(zip(columns.SETTING, verdict.setting, strict=True))
        row |= {"strategy": verdict.strategy, "control": verdict.control, "decision": verdict.decision}

        for field in dataclasses.fields(verdict.paired):
            name = f"gain_points_{field.name}" if field.name in _IN_POINTS else field.name
            row[name] = getattr(verdict.paired, field.name)

        row |= {
            "margin_points": verdict.margin,
            "p_worth_holm": verdict.p_worth,
            "p_not_worth_holm": verdict.p_not_worth,
            "extra_kwh": verdict.extra_kwh,
            "cost_multiple": verdict.cost_multiple,
            "kwh_per_point": verdict.kwh_per_point,
            "more_seeds": verdict.more_seeds,
            "sentence": verdict.sentence,
        }
        rows.append(row)

    return pd.DataFrame(rows)
