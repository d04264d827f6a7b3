import math

import numpy as np
import pydantic
import pytest
from scipy import stats

from greenkd.temperature import Annealed, Constant, RandomPerBatch, Schedule
from greenkd.temperature.schedules import Distribution


def draws(schedule: Schedule, *, seed: int = 0, epochs: int = 40, steps: int = 500) -> np.ndarray:
    parts = [schedule.temperatures(seed=seed, epoch=epoch, epochs=epochs, steps=steps) for epoch in range(epochs)]
    for part in parts:
        assert np.array_equal(part.teacher, part.student)
        assert part.student.dtype == np.float32
        assert part.student.shape == (steps,)
    return np.concatenate([part.student for part in parts]).astype(np.float64)


def test_constant_is_constant() -> None:
    assert set(draws(Constant(tau=4.0), epochs=2, steps=3)) == {4.0}


def test_uniform_int_draws_every_integer_with_the_same_probability() -> None:
    taus = draws(RandomPerBatch(low=2, high=20, distribution="uniform_int"))
    values, counts = np.unique(taus, return_counts=True)
    assert values.tolist() == list(range(2, 21))
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(
    ("distribution", "reference"),
    [("uniform", stats.uniform(2, 18)), ("log_uniform", stats.loguniform(2, 20))],
)
def test_continuous_draws_follow_their_distribution(distribution: Distribution, reference: stats.rv_continuous) -> None:
    taus = draws(RandomPerBatch(low=2, high=20, distribution=distribution))
    assert stats.kstest(taus, reference.cdf).pvalue > 1e-3


def test_a_batch_can_be_recomputed_from_seed_and_step_alone() -> None:
    schedule = RandomPerBatch(low=2, high=20, distribution="uniform_int")
    whole = draws(schedule, seed=3, epochs=5, steps=30)
    again = schedule.temperatures(seed=3, epoch=4, epochs=5, steps=30)
    assert whole[4 * 30 + 7] == again.student[7]
    assert not np.array_equal(whole[:30], whole[30:60])
    assert not np.array_equal(whole, draws(schedule, seed=4, epochs=5, steps=30))


@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_annealing_runs_from_start_to_end(shape: str) -> None:
    schedule = Annealed(start=20, end=1, shape=shape)  # type: ignore[arg-type]
    taus = draws(schedule, epochs=4, steps=10)
    assert taus[0] == 20
    assert taus[-1] == pytest.approx(1)
    assert (np.diff(taus) < 0).all()
    done = 13 / 39
    expected = 20 - 19 * (done if shape == "linear" else (1 - math.cos(math.pi * done)) / 2)
    assert taus[13] == pytest.approx(expected)


def test_steps_are_equal_stairs_from_start_to_end() -> None:
    taus = draws(Annealed(start=10, end=1, shape="step", levels=10), epochs=10, steps=4)
    assert taus.tolist() == [float(tau) for tau in range(10, 0, -1) for _ in range(4)]


def test_cycles_go_to_the_end_and_back() -> None:
    taus = draws(Annealed(start=2, end=8, shape="cyclic", cycles=3), epochs=6, steps=10)  # 60 steps, 59 apart
    expected = [2 + 6 * (1 - math.cos(2 * math.pi * 3 * step / 59)) / 2 for step in range(60)]
    assert taus.tolist() == pytest.approx(expected, rel=1e-6)
    assert taus[0] == taus[-1] == 2
    assert sum(before < tau >= after for before, tau, after in zip(taus, taus[1:], taus[2:], strict=False)) == 3


@pytest.mark.parametrize(("shape", "last"), [("linear", 1), ("cosine", 1), ("step", 1), ("cyclic", 20)])
def test_a_run_over_a_part_of_the_training_stays_where_it_ends(shape: str, last: float) -> None:
    schedule = Annealed(start=20, end=1, shape=shape, over=0.5)  # type: ignore[arg-type]
    taus = draws(schedule, epochs=5, steps=20)
    assert taus[50:] == pytest.approx([last] * 50)
    # Half of 101 steps' way is the whole way of 51 steps.
    whole = draws(Annealed(start=20, end=1, shape=shape), epochs=1, steps=51)  # type: ignore[arg-type]
    assert draws(schedule, epochs=1, steps=101)[:51] == pytest.approx(whole)


@pytest.mark.parametrize("tau", [0, -1, math.nan, math.inf, "warm"])
def test_a_temperature_must_be_a_positive_number(tau: object) -> None:
    with pytest.raises(pydantic.ValidationError, match="tau"):
        Constant(tau=tau)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("low", "high", "distribution", "words"),
    [
        (20, 2, "uniform", "low=20 must be below high=2"),
        (4, 4, "uniform_int", "low=4 must be below high=4"),
        (2.5, 20, "uniform_int", "whole numbers"),
    ],
)
def test_an_empty_or_fractional_range_is_refused(
    low: float, high: float, distribution: Distribution, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        RandomPerBatch(low=low, high=high, distribution=distribution)
