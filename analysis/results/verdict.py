"""Is tuning τ worth its energy? One answer per pair of strategies, with the uncertainty it rests on.

The margin is the smallest gain in accuracy that the reader would pay for. A strategy is *worth it* over a cheaper one
if its gain is shown to exceed the margin, *not worth it* if its gain is shown to stay below it (the cheaper one is not
inferior by the margin), and otherwise these seeds *cannot tell*. Between stochastic and fixed τ, which cost one
training each, the words are *better* and *no better* (by the margin). "Shown" is a one-sided paired t test,
Holm-corrected over all comparisons of the report, at `alpha`: a wrong "worth it" anywhere in a report has probability
alpha at most.
"""

import dataclasses
import math
from typing import Any

import pandas as pd

from analysis import units
from analysis.frames import columns
from analysis.frames.groupby import groups
from analysis.results.comparison import Comparison
from analysis.results.paired_tests import MOST_SEEDS, Paired, holm, paired, seeds_needed
from greenkd.records import StrategyKind

ALPHA = 0.05
MARGIN_POINTS = 0.5
_MANY_SEEDS = 100
WORTH, NOT_WORTH, CANNOT_TELL = "worth it", "not worth it", "cannot tell"
BETTER, NO_BETTER = "better", "no better"  # of two that cost one training each


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """One strategy against a control, over the seeds that both have. Gains are percentage points of test accuracy."""

    setting: tuple[str, ...]  # dataset, teacher, student, objective, setting_id
    strategy: str
    control: str
    paired: Paired
    margin: float
    p_worth: float  # Holm-corrected: the gain exceeds the margin
    p_not_worth: float  # Holm-corrected: the gain stays below the margin
    decision: str
    extra_kwh: float  # per seed, mean
    cost_multiple: float
    more_seeds: int | None  # to decide with power 0.8, if the gain and its spread are what they look like
    folders: tuple[int, ...]  # campaigns behind it

    @property
    def kwh_per_point(self) -> float:
        """Extra energy per percentage point gained; NaN where nothing was gained."""
        return self.extra_kwh / self.paired.mean if self.paired.mean > 0 else math.nan

    @property
    def sentence(self) -> str:
        """The verdict in one plain sentence."""
        return _sentence(self)


def verdicts(
    comparison: Comparison,
    *,
    margin: float = MARGIN_POINTS,
    baseline: str = "stochastic",
    alpha: float = ALPHA,
    mix_meters: bool = False,
) -> list[Verdict]:
    """Every searching strategy against fixed τ and against the baseline, and the baseline against fixed τ.

    Args:
        comparison: What `compare` made.
        margin: Smallest gain worth paying for, percentage points of test accuracy.
        baseline: Label or kind of the cheap strategy that tuning is held against.
        alpha: Family-wise error rate over all verdicts returned.
        mix_meters: Subtract energies of different meters all the same.
    """
    equals: set[tuple[str, str]] = set()
    pairs: list[tuple[tuple[str, ...], str, str, pd.DataFrame]] = []
    for key, setting in groups(comparison.runs, columns.SETTING):
        over_cheap, of_equal_cost = _pairs(setting, baseline)
        equals.update(of_equal_cost)
        for strategy, control in over_cheap + of_equal_cost:
            both = setting[setting["strategy"] == strategy].merge(
                setting[setting["strategy"] == control], on="seed", suffixes=("", "_control")
            )
            both = both[both["test_score"].notna() & both["test_score_control"].notna()]
            pairs.append((key, strategy, control, both))
    results = [paired(list(100 * (both["test_score"] - both["test_score_control"])), margin) for *_, both in pairs]
    worth, not_worth = holm([result.p_above for result in results]), holm([result.p_below for result in results])
    tests = max(1, sum(not math.isnan(result.p_above) for result in results))
    found = []
    for (key, strategy, control, both), result, p_worth, p_not in zip(pairs, results, worth, not_worth, strict=True):
        yes, no = (BETTER, NO_BETTER) if (strategy, control) in equals else (WORTH, NOT_WORTH)
        decision = yes if p_worth <= alpha else no if p_not <= alpha else CANNOT_TELL
        needed = seeds_needed(result.mean - margin, result.sd, tests=tests, alpha=alpha)
        same_meter = mix_meters or bool((both["meter"] == both["meter_control"]).all())
        ours, theirs = both["tuning_energy_kwh"], both["tuning_energy_kwh_control"]
        found.append(
            Verdict(
                setting=key,
                strategy=strategy,
                control=control,
                paired=result,
                margin=margin,
                p_worth=p_worth,
                p_not_worth=p_not,
                decision=decision,
                extra_kwh=float((ours - theirs).mean(skipna=False)) if same_meter else math.nan,
                cost_multiple=float(ours.sum(skipna=False) / theirs.sum(skipna=False))
                if same_meter and theirs.sum() > 0
                else math.nan,
                more_seeds=None if needed is None or decision != CANNOT_TELL else max(1, needed - result.seeds),
                folders=tuple(
                    sorted(
                        {number for name in ("campaigns", "campaigns_control") for row in both[name] for number in row}
                    )
                ),
            )
        )
    return found


def _pairs(setting: pd.DataFrame, baseline: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Searching strategies over what costs one training, and the latter over each other."""
    labels = setting.drop_duplicates("strategy")
    fixed = list(labels.loc[labels["kind"] == StrategyKind.FIXED, "strategy"])
    cheap = list(labels.loc[(labels["strategy"] == baseline) | (labels["kind"] == baseline), "strategy"])
    cheap = [label for label in cheap if label not in fixed]
    tuned = [label for label in labels["strategy"] if label not in (*fixed, *cheap)]
    over_cheap = [(strategy, control) for strategy in tuned for control in (*cheap, *fixed)]
    return over_cheap, [(strategy, control) for strategy in cheap for control in fixed]


def signed(value: float) -> str:
    """Points with their sign."""
    return units.MISSING if math.isnan(value) else f"{value:+.2f}".replace("-", "−")


def plain(label: str) -> str:
    """A strategy's label without the remark on where its row comes from."""
    return label.removesuffix(" (from grid, no extra cost)")


_SHOWN = {
    WORTH: ("worth it", "exceed"),
    NOT_WORTH: ("not worth it", "stay below"),
    BETTER: ("better", "gain more than"),
    NO_BETTER: ("no better", "gain less than"),
}


def _sentence(verdict: Verdict) -> str:
    found = verdict.paired
    dataset, teacher, student, objective, _ = verdict.setting
    where = f"{dataset}, {teacher} → {student}, {objective}"
    subject = f"{where}: {plain(verdict.strategy)} over {plain(verdict.control)}"
    if found.seeds == 0:
        return f"{subject}: cannot tell, no seed has a test result of both."
    cost = "" if math.isnan(verdict.cost_multiple) else f" for {units.multiple(verdict.cost_multiple)} its energy"
    if found.seeds == 1:
        return (
            f"{subject}: cannot tell from one seed ({signed(found.mean)} points{cost}); "
            "without a second one there is no interval, run 3 to 5."
        )
    interval = f"{signed(found.mean)} points (95 % interval {signed(found.low)} to {signed(found.high)}, "
    interval += f"{found.seeds} seeds{cost})"
    if verdict.decision in _SHOWN:
        claim, shown = _SHOWN[verdict.decision]
        return f"{subject} is {claim}: {interval}, shown to {shown} the {verdict.margin:g} points asked for."
    if verdict.more_seeds is None:
        more = f"the gain is too close to the margin of {verdict.margin:g} for {MOST_SEEDS:,} seeds to tell"
    elif verdict.more_seeds > _MANY_SEEDS:
        more = f"with a gain like this, more than {_MANY_SEEDS} more seeds would be needed (power 0.8)"
    else:
        more = f"about {verdict.more_seeds} more would, if the gain is what it looks like (power 0.8)"
    return f"{subject}: cannot tell with these seeds: {interval}; {more}."


def verdict_frame(found: list[Verdict]) -> pd.DataFrame:
    """The verdicts as a frame, one row each, for files."""
    rows: list[dict[str, Any]] = []
    for verdict in found:
        row: dict[str, Any] = dict(zip(columns.SETTING, verdict.setting, strict=True))
        row |= {"strategy": verdict.strategy, "control": verdict.control, "decision": verdict.decision}
        row |= {f"gain_points_{name}" if name in _IN_POINTS else name: value for name, value in vars_of(verdict.paired)}
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


_IN_POINTS = frozenset({"mean", "sd", "low", "high", "bootstrap_low", "bootstrap_high"})


def vars_of(found: Paired) -> list[tuple[str, Any]]:
    """Names and values of a result."""
    return [(field.name, getattr(found, field.name)) for field in dataclasses.fields(found)]
