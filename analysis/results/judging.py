"""Judges every setting: its pairs, their gains, the levels of their tests, and the verdicts that these give.

Settings are judged one by one, side by side in several processes where the campaigns are many.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from analysis.frames import columns
from analysis.frames.correctness import comparable_campaigns, correctness
from analysis.frames.groupby import groups
from analysis.frames.looks import Looks
from analysis.frames.problem import Problem, add_problems
from analysis.frames.side_by_side import mapped
from analysis.results.comparison import Comparison
from analysis.results.image_crossing import crossed_interval
from analysis.results.pair_gains import PairGain, gains_of_pairs
from analysis.results.paired_tests import Paired, paired
from analysis.results.sequential_looks import ALPHA, nominal_level, seeds_to_decide
from analysis.results.verdict import MARGIN_POINTS, Verdict
from analysis.results.verdict_costs import extra_costs
from analysis.results.verdict_levels import earlier_looks, levels_of, p_values_of
from analysis.results.verdict_pairs import Pair, pairs_of_setting
from analysis.results.verdict_words import BETTER, CANNOT_TELL, EQUAL, NO_BETTER, NOT_WORTH, WORTH


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Setting:
    """What the verdicts of one setting rest on.

    Attributes:
        key: The setting.
        runs: Its rows of the runs frame.
        trials: Its rows of the trials frame.
        looks: The looks that were taken at its sweep before.
        tested: The folders of its campaigns that were tested on the same images, by number.
    """

    key: tuple[str, ...]
    runs: pd.DataFrame
    trials: pd.DataFrame
    looks: Looks
    tested: dict[int, Path]


def verdicts(
    comparison: Comparison,
    *,
    margin: float = MARGIN_POINTS,
    baseline: str = "stochastic",
    alpha: float = ALPHA,
    mix_meters: bool = False,
) -> list[Verdict]:
    """Judges searches against the baseline, fixed τ and restarts at one τ, and the baseline against fixed τ.

    Args:
        comparison: What `compare` made.
        margin: Smallest gain worth paying for, percentage points of the test score.
        baseline: Label or kind of the cheap strategy that tuning is held against.
        alpha: Chance of a wrong claim in one direction, over all looks at a primary verdict, and over all secondary
            verdicts of a setting together.
        mix_meters: Subtract energies of different meters all the same.
    """
    sweep = comparison.sweep
    judge = functools.partial(_judged, margin=margin, baseline=baseline, alpha=alpha, mix_meters=mix_meters)
    settings = list(_settings(comparison))
    parts = mapped(judge, settings, campaigns=len(sweep.folders), processes=sweep.processes)

    judged: list[Verdict] = []
    problems: dict[int, Problem] = {}
    for of_setting, found in itertools.chain.from_iterable(parts):
        judged += of_setting
        problems |= found
    add_problems(sweep.problems, [problems[campaign] for campaign in sorted(problems)])
    return judged


def _settings(comparison: Comparison) -> Iterator[_Setting]:
    """Yields what each setting's verdicts rest on."""
    sweep = comparison.sweep
    comparable = comparable_campaigns(sweep.records)
    tested: dict[tuple[str, ...], dict[int, Path]] = {}
    for campaign, *setting in zip(*(sweep.campaigns[name] for name in ("campaign", *columns.SETTING)), strict=True):
        if campaign in comparable:
            tested.setdefault(tuple(setting), {})[campaign] = sweep.folders[campaign]

    for key, runs in groups(comparison.runs, columns.SETTING):
        numbers = sorted({number for campaigns in runs["campaigns"] for number in campaigns})
        yield _Setting(
            key=key, runs=runs, trials=sweep.trials_in(numbers), looks=sweep.looks, tested=tested.get(key, {})
        )


def _judged(
    settings: Sequence[_Setting], *, margin: float, baseline: str, alpha: float, mix_meters: bool
) -> list[tuple[list[Verdict], dict[int, Problem]]]:
    """Returns the verdicts of each setting, and which of its campaigns' tests cannot be read."""
    return [
        _judged_setting(setting, margin=margin, baseline=baseline, alpha=alpha, mix_meters=mix_meters)
        for setting in settings
    ]


def _judged_setting(
    setting: _Setting, *, margin: float, baseline: str, alpha: float, mix_meters: bool
) -> tuple[list[Verdict], dict[int, Problem]]:
    correct, problems = correctness(setting.tested)
    pairs = pairs_of_setting(setting.key, setting.runs, setting.trials, baseline)
    gains_and_images = gains_of_pairs(pairs, setting.runs, correct)
    gains = [pair.gain for pair in gains_and_images]

    tests = [paired(pair.gains, margin) for pair in pairs]
    p_values = [p_values_of(gain, test, margin) for gain, test in zip(gains, tests, strict=True)]

    looks = [earlier_looks(setting.looks, pair, gain.seeds) for pair, gain in zip(pairs, gains, strict=True)]
    alone = [
        nominal_level(max(1, gain.seeds), earlier, alpha=alpha) for gain, earlier in zip(gains, looks, strict=True)
    ]
    levels = levels_of(p_values, alone)

    judged = [
        _verdict(
            pair,
            gains_and_images[number],
            tests[number],
            p_values[number],
            looks[number],
            alone[number],
            levels[number],
            primary=number == 0,
            margin=margin,
            mix_meters=mix_meters,
        )
        for number, pair in enumerate(pairs)
    ]
    return judged, problems


def _verdict(
    pair: Pair,
    pair_gain: PairGain,
    tests: Paired,
    p_values: tuple[float, float],
    looks: tuple[int, ...],
    alone: float,
    levels: tuple[float, float],
    *,
    primary: bool,
    margin: float,
    mix_meters: bool,
) -> Verdict:
    gain, on_images = pair_gain.gain, pair_gain.on_images
    low, high = float(gain.value), float(gain.value)
    if gain.standard_error != 0:
        low, high = float(gain.interval(levels[0])[0]), float(gain.interval(levels[1])[1])
    decision = _decide(pair, p_values, levels)

    seed_range = None
    if decision == CANNOT_TELL and gain.standard_error > 0:
        distance = float(gain.value) - margin
        share = (levels[0] if distance > 0 else levels[1]) / alone if alone > 0 else 1.0
        seed_range = seeds_to_decide(distance, float(gain.standard_error), gain.seeds, looks, share=share)

    return Verdict(
        setting=pair.setting,
        strategy=pair.strategy,
        control=pair.control,
        metric=pair.metric,
        primary=primary,
        same_cost=pair.same_cost,
        choice=pair.choice,
        control_choice=pair.control_choice,
        gain=gain,
        crossed=None if on_images is None else crossed_interval(gain, on_images, levels),
        paired=tests,
        margin=margin,
        p_worth=p_values[0],
        p_not_worth=p_values[1],
        looks=looks,
        levels=levels,
        low=low,
        high=high,
        decision=decision,
        costs=extra_costs(pair.ours.frame, pair.theirs.frame, mix_meters=mix_meters),
        seed_range=seed_range,
        campaigns=pair.campaigns,
    )


def _decide(pair: Pair, p_values: tuple[float, float], levels: tuple[float, float]) -> str:
    """Returns the word of a verdict; a p value is at most its level where the interval excludes the margin."""
    if pair.is_equal:
        return EQUAL

    if p_values[0] <= levels[0]:
        return BETTER if pair.same_cost else WORTH
    if p_values[1] <= levels[1]:
        return NO_BETTER if pair.same_cost else NOT_WORTH
    return CANNOT_TELL
