"""Repeats within a sweep: where an objective has no temperature, all strategies are the same training."""

from collections.abc import Mapping, Sequence
from typing import Any

from greenkd.campaign.settings import Settings, read_settings
from greenkd.errors import NoTemperatureError
from greenkd.identity import setting_id
from greenkd.records import StrategyKind


def read_without_repeats(jobs: Sequence[Mapping[str, Any]]) -> list[Settings | None]:
    """Reads the settings of a sweep's jobs; None for a job that would train what another of them trains.

    So that `objective=none,kd temperature=fixed,grid` can be asked for: `none` is run once per seed, as `fixed` where
    that is among the strategies.

    Raises:
        ConfigError: Any setting is refused; a search over the temperature of an objective that has none only if no
            other job stands for it.
    """
    read: list[Settings | None] = []
    searches: dict[int, NoTemperatureError] = {}
    kept: dict[tuple[str, int], int] = {}
    for number, job in enumerate(jobs):
        try:
            settings = read_settings(job)
        except NoTemperatureError as error:
            searches[number] = error
            read.append(None)
            continue
        read.append(settings)
        if not settings.objective().uses_temperature and settings.strategy.shares_tau:
            key = settings.setting_id, settings.seed
            if key in kept and settings.strategy.kind is StrategyKind.FIXED:
                read[kept[key]] = None
                kept[key] = number
            elif kept.setdefault(key, number) != number:
                read[number] = None
    for number, refusal in searches.items():
        if (setting_id(jobs[number]), jobs[number]["seed"]) not in kept:
            raise refusal
    return read
