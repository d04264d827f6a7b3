"""The verdicts as a table of text, with the numbers behind them."""

import math
from collections.abc import Sequence

from analysis import units
from analysis.results.sequential_looks import PLANNED_LOOKS, SeedRange
from analysis.results.verdict import Verdict
from analysis.results.verdict_words import interval, plain, signed
from analysis.views.metric_words import metric_words
from analysis.views.table import Column, Table, make_table

_NO_INTERVAL = (math.nan, math.nan)
_LOOKS = f"{', '.join(map(str, PLANNED_LOOKS[:-1]))} and {PLANNED_LOOKS[-1]} seeds"

# What is to be known about columns.
_RANK = "primary: a setting's first verdict; its others, the secondary ones, share one more 5 % by Holm"
_GAIN = (
    "gain: mean over seeds, all trials of a search weighted by their chance to be chosen; seeds: of both + of the "
    "cheaper strategy alone"
)
_IMAGES = (
    "seeds × images: the interval for other seeds and other test images of the kind; the verdict itself speaks of "
    "these images"
)
_LEVEL = (
    f"level: chance of each end of the interval to be wrong at this look; looks are planned at {_LOOKS}, and 5 % are "
    "spent over all of them, in each direction"
)
_P = "p(worth): the gain exceeds the margin, p(not): it stays below; one-sided, moderated t; a verdict needs p ≤ level"
_PER_POINT = "per point: at least so much, the extra cost over the interval's upper end"
_MORE_SEEDS = (
    "more seeds: at which a decision is likely, for a gain one standard error farther from the margin, and one nearer; "
    "– beyond the plan"
)
_TESTS = (
    "bootstrap: BCa of the chosen trials, from 5 seeds on; p(sign flips): exact permutation test of no gain at all, "
    "two-sided"
)


def verdict_table(judged: Sequence[Verdict]) -> Table:
    """Returns a table with one row per verdict.

    Args:
        judged: What `verdicts` returned.
    """
    words = metric_words(verdict.metric for verdict in judged)
    tests = [verdict.paired for verdict in judged]

    # Who is held against whom, and the answer.
    columns = [
        Column("strategy", [plain(verdict.strategy) for verdict in judged], words=True),
        Column("over", [plain(verdict.control) for verdict in judged], words=True),
    ]
    if len({verdict.setting for verdict in judged}) > 1:
        columns.append(Column("setting", [" · ".join(verdict.setting) for verdict in judged], words=True))
    columns += [
        Column("verdict", [verdict.decision for verdict in judged], words=True),
        Column("rank", ["primary" if verdict.primary else "secondary" for verdict in judged], words=True, note=_RANK),
    ]

    # The gain and how sure it is, what it cost, and the plain tests that stand beside.
    columns += [
        Column("seeds", [_seeds(verdict) for verdict in judged], note=_GAIN),
        Column("gain, points", [signed(float(verdict.gain.value)) for verdict in judged], note=_GAIN),
        Column("interval", [_interval(verdict) for verdict in judged]),
        *_crossed_column(judged),
        Column("level %", [_levels(verdict) for verdict in judged], note=_LEVEL),
        Column("p(worth)", [_p_value(verdict.p_worth) for verdict in judged], note=_P),
        Column("p(not)", [_p_value(verdict.p_not_worth) for verdict in judged], note=_P),
        *_cost_columns(judged),
        Column(
            "more seeds",
            [more_seeds(verdict.seed_range) for verdict in judged],
            note=_MORE_SEEDS,
            begins="what would decide, and plain tests",
        ),
        Column("chosen trial alone", [signed(test.mean) for test in tests]),
        Column("its paired t 95 %", [interval(test.low, test.high) for test in tests]),
        Column("bootstrap 95 %", [interval(test.bootstrap_low, test.bootstrap_high) for test in tests], note=_TESTS),
        Column("p(sign flips)", [_p_value(test.p_permutation) for test in tests], note=_TESTS),
    ]

    margin = judged[0].margin if judged else math.nan
    return make_table(
        f"Is it worth its energy? Gains in test {words.name} of at least {margin:g} points are asked for",
        columns,
    )


def _cost_columns(judged: Sequence[Verdict]) -> list[Column]:
    """Returns what the gain cost: energy where sensors were read, else CPU seconds and FLOPs."""
    with_sensor = all(verdict.costs.has_sensor for verdict in judged)
    basis = "energy_kwh" if with_sensor else "cpu_s"
    extra = [verdict.extra_kwh if with_sensor else verdict.costs.extra_cpu_s for verdict in judged]
    factor, unit = units.scale(basis, extra)
    name = unit if with_sensor else f"CPU {unit}"

    per_point = [verdict.per_point(value) for value, verdict in zip(extra, judged, strict=True)]
    multiples = {"energy_kwh": "×energy"} if with_sensor else {"cpu_s": "×CPU s", "flops": "×FLOPs"}
    return [
        *(
            Column(header, [units.multiple(verdict.costs.multiples[cost]) for verdict in judged])
            for cost, header in multiples.items()
        ),
        Column(f"extra {name}", [units.figure(value * factor) for value in extra]),
        Column(f"{name}/point", [_at_least(value * factor) for value in per_point], note=_PER_POINT),
    ]


def _seeds(verdict: Verdict) -> str:
    further = verdict.gain.further_seeds
    return f"{verdict.seeds} + {further}" if further else str(verdict.seeds)


def _interval(verdict: Verdict) -> str:
    return interval(verdict.low, verdict.high) if verdict.seeds > 1 else units.MISSING


def _crossed_column(judged: Sequence[Verdict]) -> list[Column]:
    """Returns the intervals for other test images too; no column where no images are on record."""
    if not any(verdict.crossed for verdict in judged):
        return []
    ends = [(verdict.crossed.low, verdict.crossed.high) if verdict.crossed else _NO_INTERVAL for verdict in judged]
    return [Column("seeds × images", [interval(low, high) for low, high in ends], note=_IMAGES)]


def _levels(verdict: Verdict) -> str:
    if verdict.seeds < 2:
        return units.MISSING
    return " / ".join(dict.fromkeys(units.percent(level) for level in verdict.levels))


def more_seeds(seeds: SeedRange | None) -> str:
    """Returns how many more seeds would probably decide."""
    if seeds is None or seeds.fewest is None:
        return units.MISSING
    if seeds.fewest == seeds.most:
        return str(seeds.fewest)
    return f"{seeds.fewest} to {units.MISSING if seeds.most is None else seeds.most}"


def _at_least(value: float) -> str:
    return units.MISSING if math.isnan(value) else f"≥ {units.figure(value)}"


def _p_value(value: float) -> str:
    if math.isnan(value):
        return units.MISSING
    return "<0.001" if value < 0.001 else f"{value:.3f}"
