"""Repeats within a sweep: where an objective has no temperature, all strategies are the same training."""

from collections.abc import Mapping, Sequence
from typing import Any

from greenkd.campaign.reading import read_settings
from greenkd.campaign.settings import Settings
from greenkd.errors import NoTemperatureError
from greenkd.identity import setting_id, with_seeds
from greenkd.records import StrategyKind
from greenkd.sweep.seeds import JobKey, all_but_seed, campaign_ids


def read_without_repeats(jobs: Sequence[Mapping[str, Any]], ids: Sequence[str] | None = None) -> list[Settings | None]:
    """Reads the settings of a sweep's jobs, and leaves out those that would train what another job trains.

    So that `objective=none,kd temperature=fixed,grid` can be asked for: `none` is run once per seed, as `fixed` where
    that is among the strategies.

    Args:
        jobs: The resolved configurations.
        ids: Their campaigns' ids, where these are known.

    Returns:
        One entry for each job; None for a job that is left out.

    Raises:
        ConfigError: A setting is refused. A search over the temperature of an objective that has none is refused only
            if no other job stands for it.
    """
    read: list[Settings | None] = []
    refused_searches: dict[int, NoTemperatureError] = {}
    kept: dict[tuple[str, int], int] = {}  # by setting and seed, the job that stands for all strategies

    reader = _Reader()
    for number, (job, identity) in enumerate(zip(jobs, ids or campaign_ids(jobs), strict=True)):
        try:
            settings = reader.read(job, identity)
        except NoTemperatureError as error:
            refused_searches[number] = error
            read.append(None)
            continue

        read.append(settings)
        # Restarts have other seeds and a rule softens otherwise, so no other strategy trains what they train.
        stands_alone = settings.strategy.planned_trials() > 1 or not settings.strategy.shares_tau
        if not stands_alone and not reader.uses_temperature(settings):
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


class _Reader:
    """Reads the settings of jobs; of those that differ in their seed alone, which share all groups, only once."""

    def __init__(self) -> None:
        self._read: dict[JobKey, Settings] = {}
        self._uses_temperature: dict[int, bool] = {}  # by the objective, whose settings `_read` keeps

    def read(self, job: Mapping[str, Any], identity: str) -> Settings:
        """Returns the settings of a job.

        Args:
            job: The resolved configuration.
            identity: Its campaign's id.

        Raises:
            ConfigError: As `read_settings` does.
        """
        key = all_but_seed(job)
        like, seed = self._read.get(key), job["seed"]
        if like is not None and isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0:
            return like.of_another_seed(seed, job, identity)

        settings = read_settings(job, identity)
        if not settings.smoke and with_seeds(job) == job:  # else other settings follow the seed
            self._read.setdefault(key, settings)
        return settings

    def uses_temperature(self, settings: Settings) -> bool:
        """Tells whether the temperature has any effect on a job's objective."""
        key = id(settings.objective)
        if key not in self._uses_temperature:
            self._uses_temperature[key] = settings.build_objective().uses_temperature
        return self._uses_temperature[key]
