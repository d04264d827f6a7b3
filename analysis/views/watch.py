"""A sweep while it runs: one table in a terminal, drawn anew from the records until every campaign has ended."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live

from analysis import units
from analysis.results.progress import CampaignProgress, SweepWatcher, is_over, time_left_s
from analysis.views.table import Column, Table, make_table
from analysis.views.terminal import make_console, renderable
from greenkd.errors import AnalysisError
from greenkd.records import TrialRow, choose_trial

_REFRESH_S = 2.0
_STATES = ("done", "partial", "failed", "refused", "running", "stopped", "to do")


def watch(
    folders: Sequence[Path], console: Console | None = None, *, wait: Callable[[float], None] = time.sleep
) -> None:
    """Shows how far sweeps are until all their campaigns have ended; once, where the output is no terminal.

    Args:
        folders: Sweeps' folders; campaigns may come into them meanwhile, and be run by any machine.
        console: Where to; None: standard output.
        wait: Called between two looks.

    Raises:
        AnalysisError: A folder does not exist.
    """
    console = console or make_console()
    for folder in folders:
        if not folder.is_dir():
            raise AnalysisError(
                f"{folder} is no folder; run a sweep first: python run.py -m temperature=grid,stochastic"
            )

    watcher = SweepWatcher(folders)
    if not console.is_terminal:
        console.print(draw(watcher.read(), console))
        return

    with Live(console=console, auto_refresh=False) as live:
        while True:
            campaigns = watcher.read()
            live.update(draw(campaigns, console), refresh=True)
            if is_over(campaigns):
                return
            wait(_REFRESH_S)


def draw(campaigns: Sequence[CampaignProgress], console: Console) -> RenderableType:
    """Returns what is shown of some campaigns: a line on all of them, and a table for each setting."""
    if not campaigns:
        return "no campaign yet"

    settings = dict.fromkeys(campaign.labels[0] for campaign in campaigns)
    of_setting = {name: [campaign for campaign in campaigns if campaign.labels[0] == name] for name in settings}
    tables = [renderable(_table(name, own), console) for name, own in of_setting.items()]
    return Group(_headline(campaigns), *tables)


def _headline(campaigns: Sequence[CampaignProgress]) -> str:
    counts = [(sum(campaign.status == state for campaign in campaigns), state) for state in _STATES]
    words = f"{len(campaigns)} campaigns: {', '.join(f'{count} {state}' for count, state in counts if count)}"
    is_at_work = any(campaign.status == "running" for campaign in campaigns)  # else no time is left to wait
    left_s = time_left_s(campaigns) if is_at_work else 0.0
    return words if left_s == 0 else f"{words}; {_duration(left_s)} left"


def _table(setting: str, campaigns: Sequence[CampaignProgress]) -> Table:
    """Returns a row for each strategy of a setting, over its seeds."""
    strategies = dict.fromkeys(campaign.labels[1] for campaign in campaigns)
    groups = [[campaign for campaign in campaigns if campaign.labels[1] == name] for name in strategies]
    is_measured = any(campaign.is_measured for campaign in campaigns)
    spent = [_spent(group, is_measured) for group in groups]
    quantity = "energy_kwh" if is_measured else "cpu_s"
    factor, unit = units.scale(quantity, spent)
    best = [_best(group) for group in groups]

    columns = [
        Column("strategy", list(strategies), words=True),
        Column("campaigns", [f"{sum(c.status == 'done' for c in group)}/{len(group)}" for group in groups]),
        Column("trials", [_trials(group) for group in groups]),
        Column("running", [_count(sum(c.running for c in group)) for group in groups]),
        Column("failed", [_count(sum(c.failed for c in group)) for group in groups], leaves=1),
        Column("best\nval. %", [_score(row) for row in best]),
        Column("at τ", [_tau(row) for row in best]),
        Column(f"{'energy, ' if is_measured else 'CPU '}{unit}", [units.figure(factor * value) for value in spent]),
        Column("training\nleft", [_left(group) for group in groups], leaves=2),
    ]
    return make_table(setting, columns)


def _best(group: Sequence[CampaignProgress]) -> TrialRow | None:
    """Returns the best trial of all seeds; their numbers may be equal, so that it is chosen among copies."""
    return choose_trial(campaign.best for campaign in group if campaign.best is not None)


def _trials(group: Sequence[CampaignProgress]) -> str:
    planned = [campaign.planned for campaign in group]
    total = "?" if None in planned else str(sum(number or 0 for number in planned))
    return f"{sum(campaign.ended for campaign in group)}/{total}"


def _count(number: int) -> str:
    return str(number) if number else ""


def _score(row: TrialRow | None) -> str:
    return "–" if row is None or row.val_score is None else units.percent(row.val_score)


def _tau(row: TrialRow | None) -> str:
    if row is None:
        return "–"
    tau = row.params.get("tau")
    return f"{tau:g}" if isinstance(tau, int | float) else "drawn"


def _spent(group: Sequence[CampaignProgress], is_measured: bool) -> float:
    values = [campaign.energy_kwh if is_measured else campaign.cpu_s for campaign in group]
    return math.nan if None in values else math.fsum(value or 0.0 for value in values)


def _left(group: Sequence[CampaignProgress]) -> str:
    left_s = math.fsum(campaign.left_s for campaign in group if campaign.status not in ("done", "partial", "failed"))
    return "" if left_s == 0 else _duration(left_s)


def _duration(seconds: float) -> str:
    if math.isnan(seconds):
        return "–"
    factor, unit = units.scale("duration_s", [seconds])
    return f"≈ {units.figure(factor * seconds, 2)} {unit}"
