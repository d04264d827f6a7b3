"""Where `temperature=transfer` takes its τ from: an earlier search's records, read once, then the campaign's own."""

import contextlib
import dataclasses
import logging
from pathlib import Path

import yaml

from greenkd.campaign.searched_settings import check_taken
from greenkd.campaign.settings import Settings
from greenkd.errors import ConfigError, DamagedRecordError, RecordError
from greenkd.records import (
    CampaignRecord,
    CampaignStatus,
    LedgerRow,
    Phase,
    StrategyKind,
    TauSource,
    find_campaigns,
    meter_of,
    read_campaign,
    read_rows,
    sum_costs,
)
from greenkd.temperature import Transfer
from greenkd.temperature.rules import rule_component

log = logging.getLogger(__name__)

_TRAINING = (Phase.STUDENT_TRAINING, Phase.VALIDATION)
_KEY = "temperature.source"


def with_tau_source(settings: Settings, folder: Path) -> Settings:
    """Returns a campaign's settings with the τ that its strategy takes from an earlier search, where it does.

    A campaign that has begun keeps the τ on its record, whatever has become of the source since.

    Args:
        settings: The campaign's.
        folder: Its folder, which need not exist.

    Raises:
        ConfigError: There is no finished search at the source, or none that fits.
    """
    strategy = settings.strategy
    if not isinstance(strategy, Transfer) or settings.tau_source is not None:
        return settings

    taken = _on_record(settings, folder)
    if taken is None:
        taken = find_source(settings)
    else:
        _warn_if_it_has_changed(settings, taken)
    check_taken(settings, taken.params, _KEY)
    return dataclasses.replace(settings, strategy=strategy.taking(taken.params), tau_source=taken)


def find_source(settings: Settings) -> TauSource:
    """Reads what an earlier search chose.

    Of several seeds it is the search of the campaign's own seed, so that seeds differ by the luck of that choice too.

    Args:
        settings: Of a campaign that takes its τ from there.

    Raises:
        ConfigError: There is no finished search at the source, or none that fits.
    """
    assert isinstance(settings.strategy, Transfer)
    root = Path(settings.strategy.source)
    searches = _searches(root)
    folder, record = _of_one_seed(root, searches, settings.seed)

    is_open = record.status is CampaignStatus.RUNNING or record.budget_stopped or record.refused
    if is_open or record.chosen_params is None:
        raise ConfigError(f"{_KEY}: {folder} is no finished search; run its command again, to the end")
    if record.setting_id == settings.setting_id:
        raise ConfigError(
            f"{_KEY}: {folder} is a search of this very setting, whose energy such a choice would cost; take "
            f"temperature={record.strategy}, or the search of another pair"
        )
    _check_rule(settings, folder)

    trainings = [row for row in read_rows(folder / "ledger.jsonl", LedgerRow).rows if row.phase in _TRAINING]
    return TauSource(
        campaign_id=record.campaign_id,
        sweep=record.sweep,
        dataset=record.dataset,
        teacher=record.teacher,
        student=record.student,
        objective=record.objective,
        strategy=record.strategy,
        seed=record.seed,
        params=record.chosen_params,
        trainings=record.planned_trials,
        costs=sum_costs(trainings),
        metered_by=tuple(sorted({meter_of(row) for row in trainings})),
    )


def _on_record(settings: Settings, folder: Path) -> TauSource | None:
    """Returns what the campaign has begun with; None if it has not begun."""
    with contextlib.suppress(FileNotFoundError, DamagedRecordError):
        record = read_campaign(folder / "campaign.json")
        if record.campaign_id == settings.campaign_id:
            return record.tau_source
    return None


def _warn_if_it_has_changed(settings: Settings, taken: TauSource) -> None:
    with contextlib.suppress(ConfigError, RecordError):
        now = find_source(settings)
        if now.params != taken.params:
            log.warning(
                "%s now chooses %s; this campaign was begun with %s and keeps it (sweep=<new name> begins another)",
                _KEY, now.params, taken.params,
            )  # fmt: skip


def _searches(root: Path) -> list[tuple[Path, CampaignRecord]]:
    """Returns the searches at or below a folder: those of one strategy in one setting, one for each seed."""
    if not root.is_dir():
        raise ConfigError(
            f"{_KEY}={root}: there is no such folder; give the folder of an earlier search, multirun/<sweep>"
        )

    found: dict[tuple[str, str], list[tuple[Path, CampaignRecord]]] = {}
    for folder in find_campaigns(root):
        record = read_campaign(folder / "campaign.json")
        if record.planned_trials > 1 and record.kind is not StrategyKind.RESTARTS:
            found.setdefault((record.setting_id, record.strategy), []).append((folder, record))

    if not found:
        raise ConfigError(f"{_KEY}={root}: holds no search; run one first, as in temperature=grid sweep=<name>")
    if len(found) > 1:
        folders = ", ".join(str(searches[0][0].parent) for searches in found.values())
        raise ConfigError(f"{_KEY}={root}: holds several searches; name one of {folders}")
    return next(iter(found.values()))


def _of_one_seed(root: Path, searches: list[tuple[Path, CampaignRecord]], seed: int) -> tuple[Path, CampaignRecord]:
    """Returns the search of a seed; one alone stands for all seeds."""
    of_seed = [search for search in searches if search[1].seed == seed]
    if len(searches) == 1 or len(of_seed) == 1:
        return of_seed[0] if of_seed else searches[0]

    seeds = ", ".join(str(record.seed) for _, record in searches)
    raise ConfigError(
        f"{_KEY}={root}: has not one search of seed {seed} but of the seeds {seeds}; run that seed there, or name one "
        "campaign's folder"
    )


def _check_rule(settings: Settings, folder: Path) -> None:
    """Refuses a τ that was the base of another rule: it is on another scale."""
    try:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    theirs, ours = config["temperature"].get("rule", "shared"), settings.temperature.mapping.get("rule", "shared")
    if rule_component(theirs) != rule_component(ours):
        raise ConfigError(
            f"{_KEY}: {folder} chose its τ under temperature.rule={theirs}, on another scale than that of {ours}; give "
            "the same rule"
        )
