"""Ids of jobs that differ in their seed alone, worked out together."""

from typing import Any

from greenkd.identity import campaign_id
from greenkd.sweep.seeds import campaign_ids
from tests.campaigns import composed


def with_seeds(config: dict[str, Any], seeds: list[Any]) -> list[dict[str, Any]]:
    return [{**config, "seed": seed} for seed in seeds]


def test_ids_are_those_of_each_job_alone() -> None:
    configs = [
        composed("temperature=grid"),
        composed("temperature=stochastic", "objective=dkd"),
        composed("dataset.split_seed=per_seed", "training.teacher.seed=per_seed"),
        composed("threads=2", "transfer=fast", "objective=kd_alone"),
    ]
    jobs = [job for config in configs for job in with_seeds(config, [0, 1, 12, True, "3", None, {"a": 1}, [2]])]
    jobs += with_seeds({**configs[0], "sweep": "other", "device": "cpu"}, [0, 1])  # which are no part of an identity

    ids = campaign_ids(jobs)
    assert ids == [campaign_id(job) for job in jobs]
    assert ids[-2:] == ids[:2]


def test_groups_of_equal_names_and_other_settings_are_told_apart() -> None:
    one, other = composed("temperature=fixed"), composed("temperature=fixed", "temperature.tau=8")
    assert len(set(campaign_ids([*with_seeds(one, [0, 1]), *with_seeds(other, [0, 1])]))) == 4
