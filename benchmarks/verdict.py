"""Does the verdict keep its promise? Thousands of generated sweeps with a planted gain: `python -m benchmarks.verdict`.

Every generator of `verdict_generators` makes sweeps in which the grid truly gains 0, 0.3, 0.5 or 1.2 points over the
other strategy, at a margin of 0.5 points. A claim is false if it says "worth it" of a gain that is not above the
margin, or "not worth it" of one that is not below it. At 0.5 both claims are false; each stands in its own column. The
verdict is the one of the first line: the bound of all τ is judged apart, as it answers another question.

Designs are seeds of the grid + further seeds of the other strategy alone. The level of each look is that of a sweep
that was looked at at every planned number of seeds before; `followed` runs all looks and stops at the first decision.

Takes five minutes on one core; `--full` runs 2,000 sweeps of every cell, the designs up to 8 seeds, followed looks and
the generators whose truth no procedure can know, in about 25 minutes. Prints Markdown tables.
"""

import argparse
import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from analysis.results.search_gain import Gain, gain_of_search, search_value
from analysis.results.sequential_looks import PLANNED_LOOKS, nominal_level
from analysis.results.tau_response import tau_response
from benchmarks import verdict_generators as generators
from benchmarks.verdict_generators import CONTROL, LIMITS, SCENARIOS, TAUS, Scenario, Sweeps

MARGIN = 0.5  # percentage points
GAINS = (0.0, 0.3, 0.5, 1.2)
DESIGNS = ((3, 0), (3, 12), (5, 0))
ALL_DESIGNS = (*DESIGNS, (5, 10), (8, 0))
_FOLLOWED_NAMES = {"normal", "heavy tails (t3)", "collapse of 5 %", "other strategy twice as noisy"}
FOLLOWED = tuple(scenario for scenario in SCENARIOS if scenario.name in _FOLLOWED_NAMES)
_BATCH_TRAININGS = 30_000  # at a time, which keeps the memory below 500 MB


@dataclasses.dataclass(frozen=True)
class Claims:
    """How often a true gain was called worth it and not worth it, as percentages."""

    worth: float
    not_worth: float

    @property
    def decided(self) -> float:
        """Either."""
        return self.worth + self.not_worth


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """What one generator gives in one design."""

    over_other: dict[float, Claims]  # by planted gain
    true_over_fixed: float
    over_fixed: Claims
    bound_close: float  # percentage of sweeps whose bound of all τ is within the margin
    bound_wrong: float  # percentage of sweeps whose bound is within the margin though the truth is not

    @property
    def largest_elsewhere(self) -> float:
        """The largest rate of false claims away from the margin."""
        return max(
            claims.worth if gain < MARGIN else claims.not_worth
            for gain, claims in self.over_other.items()
            if gain != MARGIN
        )

    @property
    def false_over_fixed(self) -> float:
        """The rate of the claim that is false of the grid over fixed τ; the larger one where the gain is the margin."""
        if abs(self.true_over_fixed - MARGIN) < 0.005:
            return max(self.over_fixed.worth, self.over_fixed.not_worth)
        return self.over_fixed.worth if self.true_over_fixed < MARGIN else self.over_fixed.not_worth


def judge(scenario: Scenario, *, seeds: int, further: int, sweeps: int) -> Cell:
    """Judges generated sweeps of one generator and design."""
    level = nominal_level(seeds, [look for look in PLANNED_LOOKS if look < seeds])
    taus = np.tile(TAUS, (seeds, 1))
    over_other: dict[float, list[Claims]] = {gain: [] for gain in GAINS}
    over_fixed, uppers = [], []

    for batch in _batches(scenario, seeds=seeds, further=further, sweeps=sweeps):
        search = search_value(batch.validation, batch.test, taus=taus)
        for gain in GAINS:
            other, more = batch.other_at(gain)
            over_other[gain].append(claims(gain_of_search(search, other, more), level))
        over_fixed.append(claims(gain_of_search(search, batch.test[..., CONTROL]), level))

        response = tau_response(
            batch.test.reshape(len(batch.test), -1), np.repeat(np.arange(seeds), len(TAUS)), taus.ravel()
        )
        uppers.append(np.where(response.fits, response.upper, np.inf))

    upper = np.concatenate(uppers)
    largest_gain = float(generators.response(scenario).max())
    return Cell(
        over_other={gain: _mean(parts) for gain, parts in over_other.items()},
        true_over_fixed=generators.gain_over_fixed(scenario),
        over_fixed=_mean(over_fixed),
        bound_close=100 * float((upper <= MARGIN).mean()),
        bound_wrong=100 * float((upper < min(largest_gain, MARGIN) - 1e-9).mean()),
    )


def follow(scenario: Scenario, gain: float, *, sweeps: int) -> tuple[Claims, float]:
    """Looks at every planned number of seeds until the first decision: the claims, and the mean seeds it took."""
    looks = [(look, nominal_level(look, PLANNED_LOOKS[:number])) for number, look in enumerate(PLANNED_LOOKS)]
    parts, seeds_used = [], []

    for batch in _batches(scenario, seeds=PLANNED_LOOKS[-1], further=0, sweeps=sweeps):
        other, _ = batch.other_at(gain)
        decided = np.zeros(len(other), dtype=np.int64)  # 1: worth it, −1: not worth it
        used = np.full(len(other), PLANNED_LOOKS[-1])
        for look, level in looks:
            search = search_value(batch.validation[:, :look], batch.test[:, :look], taus=np.tile(TAUS, (look, 1)))
            low, high = gain_of_search(search, other[:, :look]).interval(level)
            now = np.where(low > MARGIN, 1, np.where(high < MARGIN, -1, 0))
            used = np.where((decided == 0) & (now != 0), look, used)
            decided = np.where(decided == 0, now, decided)
        parts.append(Claims(100 * float((decided == 1).mean()), 100 * float((decided == -1).mean())))
        seeds_used.append(used)

    return _mean(parts), float(np.concatenate(seeds_used).mean())


def claims(gain: Gain, level: float) -> Claims:
    """How often the interval lies above the margin, and below it."""
    low, high = gain.interval(level)
    return Claims(100 * float((low > MARGIN).mean()), 100 * float((high < MARGIN).mean()))


def _mean(parts: Sequence[Claims]) -> Claims:
    return Claims(float(np.mean([part.worth for part in parts])), float(np.mean([part.not_worth for part in parts])))


def _batches(scenario: Scenario, *, seeds: int, further: int, sweeps: int) -> Iterator[Sweeps]:
    """The sweeps in equal parts that fit into the memory."""
    parts = max(1, round(sweeps * seeds * len(TAUS) / _BATCH_TRAININGS))
    for part in range(parts):
        random = np.random.default_rng([seeds, further, part])
        yield generators.generate(scenario, random, sweeps=max(1, sweeps // parts), seeds=seeds, further=further)


HEADER = (
    "| generator | false “worth it” at 0.5 | false “not worth it” at 0.5 | largest elsewhere | decided at 0 | at 0.3 "
    "| at 1.2 | over τ=4: true gain | false | bound within 0.5 | bound false |\n"
    "| --- |" + " ---: |" * 10
)


def row(scenario: Scenario, cell: Cell) -> str:
    """A cell as a row of the table; percentages of sweeps, gains in points."""
    at_margin = cell.over_other[MARGIN]
    figures = [f"{at_margin.worth:.1f}", f"{at_margin.not_worth:.1f}", f"{cell.largest_elsewhere:.1f}"]
    figures += [f"{cell.over_other[gain].decided:.0f}" for gain in (0.0, 0.3, 1.2)]
    figures += [f"{cell.true_over_fixed:.2f}", f"{cell.false_over_fixed:.1f}"]
    figures += [f"{cell.bound_close:.0f}", f"{cell.bound_wrong:.1f}"]
    return f"| {scenario.name} | {' | '.join(figures)} |"


def main() -> None:
    """Prints one table per design, and one of followed looks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, help="generated sweeps per cell (default: 1,000; with --full 2,000)")
    parser.add_argument("--full", action="store_true", help="every design and generator")
    options = parser.parse_args()
    sweeps = options.sweeps or (2_000 if options.full else 1_000)
    chosen = (*SCENARIOS, *LIMITS) if options.full else SCENARIOS

    for seeds, further in ALL_DESIGNS if options.full else DESIGNS:
        more = f" and {further} further seeds of the other strategy" if further else ""
        print(f"\n{seeds} seeds of both{more}; {sweeps:,} sweeps a row, percentages of them\n\n{HEADER}", flush=True)
        for scenario in chosen:
            print(row(scenario, judge(scenario, seeds=seeds, further=further, sweeps=sweeps)), flush=True)

    if options.full:
        print("\nfollowed through 3, 5, 8, 12 and 20 seeds until the first decision\n")
        print("| generator | true gain | worth it | not worth it | seeds used |\n| --- | ---: | ---: | ---: | ---: |")
        for scenario in FOLLOWED:
            for gain in GAINS:
                result, used = follow(scenario, gain, sweeps=sweeps)
                print(
                    f"| {scenario.name} | {gain:g} | {result.worth:.1f} | {result.not_worth:.1f} | {used:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
