"""Repeats within a sweep: where an objective has no temperature, all strategies are the same training."""

from collections.abc import Mapping, Sequence
from typing import Any

from greenkd.campaign.settings import Settings, read_settings
from greenkd.errors import NoTemperatureError
from greenkd.identity import setting_id
from greenkd.records import StrategyKind


def read_without_repeats(jobs: Sequence[Mapping[str, Any]]) -> list[Settings | None]:
    """Reads the settings of a sweep's jobs, and leaves out those that would train what another job trains.

    So that `objective=none,kd temperature=fixed,grid` can be asked for: `none` is run once per seed, as `fixed` where
    that is among the strategies.

    Returns:
        One entry for each job; None for a job that is left out.

    Raises:
        ConfigError: A setting is refused. A search over the temperature of an objective that has none is refused only
            if no other job stands for it.
    """
    read: list[Settings | None] = []
    refused_searches: dict[int, NoTemperatureError] = {}
    kept: dict[tuple[str, int], int] = {}  # by setting and seed, the job that stands for all strategies

    for number, job in enumerate(jobs):
        try:
            settings = read_settings(job)
        except NoTemperatureError as error:
            refused_searches[number] = error
            read.append(None)
            continue

        read.append(settings)
        # Restarts have other seeds and a rule softens otherwise, so no other strategy trains what they train.
        stands_alone = settings.strategy.planned_trials() > 1 or not settings.strategy.shares_tau
        if not stands_alone and not settings.build_objective().uses_temperature:
            key = settings.setting_id, settings.seed
            if key in kept and settings.strategy.kind is StrategyKind.FIXED:
                read[kept[key]] = None
                kept[key] = number
            elif kept.setdefault(key, number) != number:
                read[number] = None

    for number, refusal in refused_searches.items():
        if (setting_id(jobs[number]), jobs[number]["seed"]) not in kept:
            raise refusal
    return read
