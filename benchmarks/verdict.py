"""Does the verdict keep its promise? Thousands of generated sweeps with a planted gain: `python -m benchmarks.verdict`.

Every generator of `verdict_generators` makes sweeps in which the grid truly gains 0, 0.3, 0.5 or 1.2 points over the
other strategy, at a margin of 0.5 points. A claim is false if it says "worth it" of a gain that is not above the
margin, or "not worth it" of one that is not below it; at 0.5 both are false. The rate of false claims is the largest
over the planted gains, each direction on its own. Designs are seeds of the grid + further seeds of the other strategy
alone. The level of each look is that of a sweep that was looked at at every planned number of seeds before.

Prints Markdown tables: false claims and decisions; the bound of the first line, which answers another question; and
sweeps that are followed through all planned looks until the first decision. The defaults take ten minutes on one core;
`--full` adds designs, and generators whose truth no procedure can know, and takes half an hour.
"""

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence

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
_FOLLOWED_NAMES = {
    "normal", "heavy tails (t3)", "heavy tails that validation sees", "lucky trainings that validation sees",
    "collapse of 5 %", "other strategy twice as noisy", "twice as noisy, skewed",
}  # fmt: skip
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

    def false(self, gain: float) -> float:
        """The larger rate of the claims that are false of a true gain."""
        worth = self.worth if gain <= MARGIN + _ROUNDING else 0.0
        return max(worth, self.not_worth if gain >= MARGIN - _ROUNDING else 0.0)


_ROUNDING = 0.005  # points; a gain that is found by simulation is known no better


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """What one generator gives in one design."""

    over_other: dict[float, Claims]  # by planted gain
    true_over_fixed: float
    over_fixed: Claims

    @property
    def false(self) -> float:
        """The largest rate of false claims over the planted gains."""
        return max(claims.false(gain) for gain, claims in self.over_other.items())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bound:
    """How the first line does, as percentages of sweeps."""

    smooth: float  # the response counts as smooth
    close: float  # the bound of all τ is within the margin
    wrong: float  # it is, though the truth is not
    median: float  # of the bound, points


def judge(scenario: Scenario, *, seeds: int, further: int, sweeps: int) -> Cell:
    """Judges generated sweeps of one generator and design."""
    level = nominal_level(seeds, [look for look in PLANNED_LOOKS if look < seeds])
    taus = np.tile(TAUS, (seeds, 1))
    over_other: dict[float, list[Claims]] = {gain: [] for gain in GAINS}
    over_fixed = []

    for batch in _batches(scenario, seeds=seeds, further=further, sweeps=sweeps):
        search = search_value(batch.validation, batch.test, taus=taus)
        for gain in GAINS:
            other, more = batch.other_at(gain)
            over_other[gain].append(claims(gain_of_search(search, other, more), level))
        over_fixed.append(claims(gain_of_search(search, batch.test[..., CONTROL]), level))

    return Cell(
        over_other={gain: _mean(parts) for gain, parts in over_other.items()},
        true_over_fixed=generators.gain_over_fixed(scenario),
        over_fixed=_mean(over_fixed),
    )


def judge_bound(scenario: Scenario, *, seeds: int, sweeps: int) -> Bound:
    """Judges the bound of all τ on generated sweeps."""
    uppers = []
    for batch in _batches(scenario, seeds=seeds, further=0, sweeps=sweeps):
        scores = batch.test.reshape(len(batch.test), -1)
        response = tau_response(scores, np.repeat(np.arange(seeds), len(TAUS)), np.tile(TAUS, seeds))
        uppers.append(np.where(response.fits, response.upper, np.inf))

    upper = np.concatenate(uppers)
    largest_gain = float(generators.response(scenario).max())
    smooth = np.isfinite(upper)
    return Bound(
        smooth=100 * float(smooth.mean()),
        close=100 * float((upper <= MARGIN).mean()),
        wrong=100 * float((upper < min(largest_gain, MARGIN) - 1e-9).mean()),
        median=float(np.median(upper[smooth])) if smooth.any() else np.nan,
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


def print_gains(scenarios: Sequence[Scenario], designs: Sequence[tuple[int, int]], sweeps: int) -> None:
    """Prints false claims over the other strategy, decisions, and false claims over fixed τ, a column per design."""
    cells: dict[str, list[Cell]] = {}
    for scenario in scenarios:
        print(f"{scenario.name} …", file=sys.stderr, flush=True)
        cells[scenario.name] = [judge(scenario, seeds=n, further=more, sweeps=sweeps) for n, more in designs]

    names = [f"{seeds} + {further}" if further else f"{seeds} seeds" for seeds, further in designs]
    figures: dict[str, Callable[[Cell], str]] = {
        "false": lambda cell: f"{cell.false:.1f}",
        "decided at 0 / 1.2": lambda cell: " / ".join(f"{cell.over_other[gain].decided:.0f}" for gain in (0.0, 1.2)),
        "false over τ=4": lambda cell: f"{cell.over_fixed.false(cell.true_over_fixed):.1f}",
    }
    for title, figure in figures.items():
        print(f"\n{title}; {sweeps:,} sweeps a cell\n\n| generator | {' | '.join(names)} |")
        print("| --- |" + " ---: |" * len(names))
        for name, row in cells.items():
            print(f"| {name} | {' | '.join(map(figure, row))} |", flush=True)


def print_bounds(scenarios: Sequence[Scenario], sweeps: int) -> None:
    """Prints how the first line does with three and five seeds."""
    print(f"\nbound of the first line: smooth / within 0.5 / false / median; {sweeps:,} sweeps a cell\n")
    print("| generator | largest gain | 3 seeds | 5 seeds |\n| --- | ---: | ---: | ---: |")
    for scenario in scenarios:
        found = [judge_bound(scenario, seeds=seeds, sweeps=sweeps) for seeds in (3, 5)]
        figures = [f"{b.smooth:.0f} / {b.close:.0f} / {b.wrong:.1f} / {b.median:.2f}" for b in found]
        print(f"| {scenario.name} | {generators.response(scenario).max():.2f} | {' | '.join(figures)} |", flush=True)


def print_followed(sweeps: int, gains: Sequence[float]) -> None:
    """Prints what comes of looking at every planned number of seeds until the first decision."""
    print(f"\nfollowed through 3, 5, 8, 12 and 20 seeds until the first decision; {sweeps:,} sweeps a row\n")
    print("| generator | true gain | worth it | not worth it | seeds used |\n| --- | ---: | ---: | ---: | ---: |")
    for scenario in FOLLOWED:
        for gain in gains:
            result, used = follow(scenario, gain, sweeps=sweeps)
            figures = f"{result.worth:.1f} | {result.not_worth:.1f} | {used:.1f}"
            print(f"| {scenario.name} | {gain:g} | {figures} |", flush=True)


def main() -> None:
    """Prints the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, default=4_000, help="sweeps per cell of gains (default: %(default)s)")
    parser.add_argument("--bounds", type=int, default=1_000, help="sweeps per cell of bounds (default: %(default)s)")
    parser.add_argument("--followed", type=int, default=2_000, help="sweeps that are followed (default: %(default)s)")
    parser.add_argument("--full", action="store_true", help="every design and generator; 0 sweeps leave a table out")
    options = parser.parse_args()
    scenarios = (*SCENARIOS, *LIMITS) if options.full else SCENARIOS

    if options.sweeps:
        print_gains(scenarios, ALL_DESIGNS if options.full else DESIGNS, options.sweeps)
    if options.bounds:
        print_bounds(scenarios, options.bounds)
    if options.followed:
        print_followed(options.followed, GAINS if options.full else (MARGIN,))


if __name__ == "__main__":
    main()
