"""Where the numbers come from: sensors and tags, carbon and PUE, versions, commands, folders."""

import math

from analysis import units
from analysis.frames.groupby import groups, joined, rows_of
from analysis.frames.load import Sweep
from analysis.results.comparison import Comparison
from analysis.views.table import Table


def provenance_tables(sweep: Sweep, comparison: Comparison) -> list[Table]:
    """Energy sources, environment, and the campaigns behind every row."""
    return [_sources(sweep), _environment(sweep), _campaigns(sweep), _cells(sweep, comparison)]


def _sources(sweep: Sweep) -> Table:
    by = ["meter", "method", "scope", "cpu_source", "gpu_source", "ram_source", "intensity_source"]
    ledger = sweep.ledger.assign(**{name: sweep.ledger[name].astype(str) for name in by})
    cells = []
    for key, rows in groups(ledger, by):
        energy = rows["energy_kwh"].sum(min_count=1)
        missing = int(rows["energy_kwh"].isna().sum())
        apportioned = rows["apportioned"].astype(bool).mean()
        intensities = sorted(rows["intensity_g_per_kwh"].dropna().unique())
        cells.append(
            (
                *key[:6],
                joined(f"{value:g}" for value in rows["pue"]),
                joined(f"{value:g}" for value in intensities) or units.MISSING,
                key[6],
                str(len(rows)),
                units.figure(energy),
                str(missing),
                units.percent(float(apportioned), 0),
                str(int((rows["status"] != "ok").sum())),
            )
        )
    return Table(
        title="Sensors and tags of the energy figures",
        header=(
            "meter",
            "method",
            "scope",
            "CPU",
            "GPU",
            "RAM",
            "PUE",
            "g/kWh",
            "intensity from",
            "rows",
            "kWh",
            "without energy",
            "apportioned %",
            "invalid",
        ),
        rows=tuple(cells),
        notes=(
            "measured: a sensor was read; modelled: from load or a table; constant: a fixed wattage; absent: nothing "
            "could be read, and nothing is counted; simulated: made up, for tests",
            "kWh at the device (PUE 1), of all phases; apportioned: shares of longer readings, divided by CPU seconds",
        ),
        left=frozenset({0, 1, 2, 3, 4, 5, 8}),
    )


def _environment(sweep: Sweep) -> Table:
    values: dict[tuple[str, str], int] = {}
    for record in sweep.records.values():
        environment = record.environment
        named = {
            "Python": environment.python,
            "packages": ", ".join(f"{name} {version}" for name, version in sorted(environment.packages.items())),
            "platform": environment.platform,
            "CPU": f"{environment.cpu}, {environment.threads} threads",
            "GPU": environment.gpu or "none",
            "device": environment.device,
            "git commit": environment.git_commit or "unknown",
            "command": environment.command,
            "data": f"{record.dataset}: {record.data_fingerprint or 'no fingerprint'}",
        }
        for item in named.items():
            values[item] = values.get(item, 0) + 1
    order = list(dict.fromkeys(name for name, _ in values))
    rows = [(name, text, str(count)) for (name, text), count in values.items()]
    rows.sort(key=lambda row: order.index(row[0]))
    return Table(
        title="Environment",
        header=("what", "value", "campaigns"),
        rows=tuple(rows),
        left=frozenset({0, 1}),
    )


def _campaigns(sweep: Sweep) -> Table:
    rows = [
        (
            str(row["campaign"]),
            row["strategy"],
            str(row["seed"]),
            row["status"],
            f"{row['complete_trials']} of {row['planned_trials']}",
            str(row["attempts"]),
            units.MISSING if math.isnan(row["test_score"]) else units.percent(row["test_score"]),
            row["campaign_id"],
            row["folder"],
        )
        for row in rows_of(sweep.campaigns)
    ]
    return Table(
        title="Campaigns",
        header=("no.", "strategy", "seed", "status", "trials", "attempts", "test acc. %", "id", "folder"),
        rows=tuple(rows),
        left=frozenset({1, 3, 7, 8}),
    )


def _cells(sweep: Sweep, comparison: Comparison) -> Table:
    rows = []
    for run in rows_of(comparison.runs):
        folders = [str(sweep.folders[number]) for number in run["campaigns"]]
        trial = units.MISSING if math.isnan(run["trial"]) else f"{run['trial']:.0f}"
        numbers = " ".join(str(number) for number in run["campaigns"])
        there = all((sweep.folders[number] / "campaign.json").exists() for number in run["campaigns"])
        rows.append(
            (
                run["setting_id"],
                run["strategy"],
                str(run["seed"]),
                run["origin"],
                numbers,
                trial,
                "yes" if folders and there else "no",
            )
        )
    return Table(
        title="Folders behind each row of the comparison",
        header=("setting", "strategy", "seed", "origin", "campaigns (no. above)", "trial", "records found"),
        rows=tuple(rows),
        notes=("figures are drawn from the same campaigns as the row of their strategy and setting",),
        left=frozenset({0, 1, 3, 4, 6}),
    )
