"""A sweep over objectives and strategies runs an objective without temperature once."""

import pytest

from greenkd.errors import ConfigError
from greenkd.sweep.repeats import read_without_repeats
from tests.campaigns import composed


def kept(*jobs: tuple[str, str]) -> list[tuple[str, str]]:
    configs = [composed(f"objective={objective}", f"temperature={strategy}") for objective, strategy in jobs]
    read = read_without_repeats(configs)
    return [job for job, settings in zip(jobs, read, strict=True) if settings is not None]


def test_searches_and_schedules_of_it_are_left_out() -> None:
    strategies = ("grid", "stochastic", "fixed", "schedule")
    jobs = [(objective, strategy) for objective in ("none", "kd") for strategy in strategies]
    assert kept(*jobs) == [("none", "fixed"), *[("kd", strategy) for strategy in strategies]]


def test_without_fixed_another_single_training_stands_for_it() -> None:
    assert kept(("none", "grid"), ("none", "stochastic")) == [("none", "stochastic")]


def test_a_search_alone_is_refused() -> None:
    with pytest.raises(ConfigError, match="take temperature=fixed"):
        kept(("none", "grid"), ("label_smoothing", "fixed"))


def test_every_seed_has_its_own() -> None:
    configs = [composed("objective=none", "temperature=fixed", f"seed={seed}") for seed in (0, 1)]
    assert None not in read_without_repeats(configs)
