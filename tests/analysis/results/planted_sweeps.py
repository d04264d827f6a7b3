"""Sweeps with a planted truth, written as files and judged from files, as a user's are."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import analysis
from analysis.results.paired_tests import Paired
from analysis.results.verdict import BETTER, NO_BETTER, NOT_WORTH, WORTH
from greenkd.records import StrategyKind
from tests.analysis.sweeps import Plan, Trial, write_sweep

MARGIN = 0.5  # percentage points
TAUS = (2.0, 4.0, 6.0, 8.0, 12.0, 16.0)
NOISE = 0.003  # sd of one student's accuracy around its truth
SEED_NOISE = 0.004  # shared by the strategies of one seed
BASE = 0.85


def plans(gain: float, seeds: int, salt: int) -> Iterator[Plan]:
    """One sweep. With a gain, τ = 8 is better by it and far better on validation, so the grid finds it every time.

    Without, all τ are equal and validation noise is independent of test noise: whatever the grid picks gains nothing.
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
        last = Trial(tau=None, val_score=float(val[-1]), test_score=float(test[-1]))
        yield Plan(strategy="stochastic", kind=StrategyKind.STOCHASTIC, seed=seed, trials=[last])


def judge(gain: float, sweeps: int, seeds: int) -> tuple[Counter[str], int, int, list[Paired]]:
    """Decisions on grid over stochastic; sweeps with a false "worth it", with a false "not worth it"; the tests."""
    decisions: Counter[str] = Counter()
    false_worth = false_not = 0
    tests = []
    for salt in range(sweeps):
        folder = Path(tempfile.mkdtemp(prefix="verdict-"))
        try:
            write_sweep(folder, plans(gain, seeds, salt))
            found = analysis.verdicts(analysis.compare(analysis.load(folder)), margin=MARGIN)
        finally:
            shutil.rmtree(folder)
        wrong = set()
        for verdict in found:
            true_gain = gain if verdict.strategy == "grid" else 0.0
            if verdict.decision in (WORTH, BETTER) and true_gain <= MARGIN:
                wrong.add(WORTH)
            if verdict.decision in (NOT_WORTH, NO_BETTER) and true_gain >= MARGIN:
                wrong.add(NOT_WORTH)
        false_worth += WORTH in wrong
        false_not += NOT_WORTH in wrong
        asked = next(verdict for verdict in found if (verdict.strategy, verdict.control) == ("grid", "stochastic"))
        decisions[asked.decision] += 1
        tests.append(asked.paired)
    return decisions, false_worth, false_not, tests
