"""Sweeps with a planted truth, written as files and judged from files, as a user's are."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import analysis
from analysis.results.paired_tests import Paired
from analysis.results.verdict_words import BETTER, NO_BETTER, NOT_WORTH, WORTH
from greenkd.records import StrategyKind
from tests.analysis.sweeps import Plan, Trial, write_sweep

MARGIN = 0.5  # percentage points
TAUS = (2.0, 4.0, 6.0, 8.0, 12.0, 16.0)
NOISE = 0.003  # sd of one student's accuracy around its truth
SEED_NOISE = 0.004  # shared by the strategies of one seed
BASE = 0.85


def plans(gain: float, seeds: int, salt: int) -> Iterator[Plan]:
    """Yields the campaigns of one sweep with a planted truth.

    With a gain, τ = 8 is better by it and far better on validation, so the grid chooses it every time. Without, all τ
    are equal and validation noise is independent of test noise: whatever the grid chooses gains nothing.

    Args:
        gain: What τ = 8 gains on the test set, in percentage points.
        seeds: Number of seeds.
        salt: The sweep's number; every sweep has noise of its own.
    """
    for seed in range(seeds):
        generator = np.random.default_rng([salt, seed])
        shared = generator.normal(0, SEED_NOISE)
        test = BASE + shared + generator.normal(0, NOISE, len(TAUS) + 1)
        val = BASE + generator.normal(0, NOISE, len(TAUS) + 1)
        test[TAUS.index(8.0)] += gain / 100
        val[TAUS.index(8.0)] += 1.0 if gain else 0.0

        trials = [
            Trial(tau=tau, val_score=float(val[number]), test_score=float(test[number]))
            for number, tau in enumerate(TAUS)
        ]

        yield Plan(strategy="grid", kind=StrategyKind.GRID, seed=seed, trials=trials)
        stochastic = Trial(tau=None, val_score=float(val[-1]), test_score=float(test[-1]))
        yield Plan(strategy="stochastic", kind=StrategyKind.STOCHASTIC, seed=seed, trials=[stochastic])


def judge(gain: float, sweeps: int, seeds: int) -> tuple[Counter[str], int, int, list[Paired]]:
    """Judges generated sweeps.

    Args:
        gain: What τ = 8 gains on the test set, in percentage points.
        sweeps: Number of sweeps.
        seeds: Seeds per sweep.

    Returns:
        How often grid over stochastic was decided in which way; the sweeps with a false "worth it"; those with a false
        "not worth it"; the paired tests of grid over stochastic.
    """
    decisions: Counter[str] = Counter()
    false_worth = false_not = 0
    tests = []

    for salt in range(sweeps):
        folder = Path(tempfile.mkdtemp(prefix="verdict-"))
        try:
            write_sweep(folder, plans(gain, seeds, salt))
            verdicts = analysis.verdicts(analysis.compare(analysis.load(folder)), margin=MARGIN)
        finally:
            shutil.rmtree(folder)

        wrong = set()
        for verdict in verdicts:
            true_gain = gain if verdict.strategy == "grid" else 0.0
            if verdict.decision in (WORTH, BETTER) and true_gain <= MARGIN:
                wrong.add(WORTH)
            if verdict.decision in (NOT_WORTH, NO_BETTER) and true_gain >= MARGIN:
                wrong.add(NOT_WORTH)
        false_worth += WORTH in wrong
        false_not += NOT_WORTH in wrong

        grid_verdict = next(
            verdict for verdict in verdicts if (verdict.strategy, verdict.control) == ("grid", "stochastic")
        )
        decisions[grid_verdict.decision] += 1
        tests.append(grid_verdict.paired)

    return decisions, false_worth, false_not, tests
