"""Where the numbers come from: sensors and tags, carbon and PUE, versions, commands, folders."""

import math
from collections.abc import Collection
from pathlib import Path

from analysis import units
from analysis.frames.groupby import groups, joined, of_campaigns, rows_of
from analysis.frames.load import Sweep
from analysis.frames.problems import read_processes
from analysis.frames.verification import campaign_files
from analysis.results.comparison import Comparison
from analysis.views.metric_words import metric_words
from analysis.views.table import Column, Table, make_table

# Of all campaigns, beside the page where it does not show all of them.
CAMPAIGN_FILES = ("campaigns.csv", "runs.csv")

_ENERGY = "energy at the device (PUE 1), of all phases"


def provenance_tables(sweep: Sweep) -> list[Table]:
    """Returns energy sources, commands and environment."""
    return [_sources(sweep), *_commands(sweep), _environment(sweep)]


def campaign_tables(sweep: Sweep, comparison: Comparison, only: Collection[int] | None = None) -> dict[str, Table]:
    """Returns the campaigns, and those behind each row of the comparison, by the names of their files.

    Args:
        sweep: The records.
        comparison: What `compare` made of them.
        only: The campaigns that are shown; None shows all.
    """
    shown = set(sweep.folders if only is None else only)
    notes: tuple[str, ...] = ()
    if len(shown) < len(sweep.folders):
        notes = (
            f"left out here: {len(sweep.folders) - len(shown)} campaigns of settings without figures on this page; all "
            f"{len(sweep.folders)} stand in {' and '.join(CAMPAIGN_FILES)} beside it",
        )
    tables = _campaigns(sweep, shown, notes), _runs(sweep, comparison, shown, notes)
    return dict(zip(CAMPAIGN_FILES, tables, strict=True))


def _sources(sweep: Sweep) -> Table:
    by = ["meter", "method", "scope", "cpu_source", "gpu_source", "ram_source", "intensity_source"]
    ledger = sweep.ledger.assign(**{name: sweep.ledger[name].astype(str) for name in by})
    keys, frames = [], []
    for key, frame in groups(ledger, by):
        keys.append(dict(zip(by, key, strict=True)))
        frames.append(frame)

    energies_kwh = [float(frame["energy_kwh"].sum(min_count=1)) for frame in frames]
    factor, unit = units.scale("energy_kwh", energies_kwh)
    columns = [
        Column("meter", [key["meter"] for key in keys], words=True),
        Column("method", [key["method"] for key in keys], words=True),
        Column("scope", [key["scope"] for key in keys], words=True),
        Column("CPU", [key["cpu_source"] for key in keys], words=True),
        Column("GPU", [key["gpu_source"] for key in keys], words=True),
        Column("RAM", [key["ram_source"] for key in keys], words=True),
        Column("PUE", [joined(f"{value:g}" for value in frame["pue"]) for frame in frames]),
        Column("g/kWh", [_intensities(list(frame["intensity_g_per_kwh"].dropna().unique())) for frame in frames]),
        Column("intensity from", [key["intensity_source"] for key in keys], words=True),
        Column("rows", [str(len(frame)) for frame in frames]),
        Column(unit, [units.figure(energy * factor) for energy in energies_kwh], note=_ENERGY),
        Column("without energy", [str(int(frame["energy_kwh"].isna().sum())) for frame in frames]),
        Column(
            "apportioned %",
            [units.percent(float(frame["apportioned"].astype(bool).mean()), 0) for frame in frames],
            note="apportioned: shares of longer readings, divided by CPU seconds",
        ),
        Column("invalid", [str(int((frame["status"] != "ok").sum())) for frame in frames]),
    ]
    return make_table(
        "Sensors and tags of the energy figures",
        columns,
        notes=(
            "measured: a sensor was read; modelled: from load or a table; constant: a fixed wattage; absent: nothing "
            "could be read, and nothing is counted; simulated: made up, for tests",
        ),
    )


def _intensities(values: list[float]) -> str:
    return joined(f"{value:g}" for value in values) or units.MISSING


def _commands(sweep: Sweep) -> list[Table]:
    """Returns what each command took as a whole, and how much of it the campaigns' ledgers hold."""
    paths = [path for root in sweep.roots for path in sorted(root.rglob("processes.jsonl"))]
    rows = [row for path in paths for row in read_processes(path, [])]  # what is damaged in them has been named
    if not rows:
        return []

    columns = [
        Column("command", [row.command for row in rows], words=True),
        Column("what", ["all campaigns" if row.kind == "command" else row.kind for row in rows], words=True),
        Column("s", [units.figure(row.duration_s) for row in rows]),
        Column("CPU s", [units.figure(row.cpu_s) for row in rows]),
        Column("s in ledgers", [units.figure(row.metered_s) for row in rows]),
        Column("CPU s in ledgers", [units.figure(row.metered_cpu_s) for row in rows]),
    ]
    return [
        make_table(
            "Commands",
            columns,
            notes=(
                "from the start of the process to the end of its last campaign, start-up included; the comparison "
                "printed after that is charged to no campaign; processes that worked beside it are not in its row",
            ),
        )
    ]


def _environment(sweep: Sweep) -> Table:
    """Returns every value that an environment has, with the number of campaigns that have it."""
    counts: dict[tuple[str, str], int] = {}
    for record in sweep.records.values():
        environment = record.environment
        packages = ", ".join(f"{name} {version}" for name, version in sorted(environment.packages.items()))

        values = {
            "Python": environment.python,
            "packages": packages,
            "platform": environment.platform,
            "CPU": f"{environment.cpu}, {environment.threads} threads",
            "GPU": environment.gpu or "none",
            "device": environment.device,
            "git commit": environment.git_commit or "unknown",
            "command": environment.command,
            "data": f"{record.dataset}: {record.data_fingerprint or 'no fingerprint'}",
        }

        for item in values.items():
            counts[item] = counts.get(item, 0) + 1

    # Values of one name stand together, names in the order above.
    names = list(dict.fromkeys(name for name, _ in counts))
    rows = sorted(counts.items(), key=lambda row: names.index(row[0][0]))

    columns = [
        Column("what", [name for (name, _), _ in rows], words=True),
        Column("value", [text for (_, text), _ in rows], words=True),
        Column("campaigns", [str(count) for _, count in rows]),
    ]
    return make_table("Environment", columns)


def _campaigns(sweep: Sweep, shown: set[int], notes: tuple[str, ...]) -> Table:
    rows = rows_of(of_campaigns(sweep.campaigns, shown))
    words = metric_words(sweep.campaigns["metric"])

    columns = [
        Column("no.", [str(row["campaign"]) for row in rows]),
        Column("strategy", [row["strategy"] for row in rows], words=True),
        Column("seed", [str(row["seed"]) for row in rows]),
        Column("status", [row["status"] for row in rows], words=True),
        Column("trials", [f"{row['complete_trials']} of {row['planned_trials']}" for row in rows]),
        Column("attempts", [str(row["attempts"]) for row in rows]),
        Column(f"test {words.header}", [words.text(row["test_score"]) for row in rows]),
        Column("id", [row["campaign_id"] for row in rows], words=True),
        Column("files", [campaign_files(Path(row["folder"])) for row in rows], words=True),
        Column("folder", [row["folder"] for row in rows], words=True),
    ]
    return make_table(
        "Campaigns",
        columns,
        notes=("files: held against the SHA-256 that the campaign's manifest.json has of them", *notes),
    )


def _runs(sweep: Sweep, comparison: Comparison, shown: set[int], notes: tuple[str, ...]) -> Table:
    """Returns the campaigns behind each row of the comparison, and whether their records are still there."""
    runs = [run for run in rows_of(comparison.runs) if shown.issuperset(run["campaigns"])]
    trials = [units.MISSING if math.isnan(run["trial"]) else f"{run['trial']:.0f}" for run in runs]

    columns = [
        Column("setting", [run["setting_id"] for run in runs], words=True),
        Column("strategy", [run["strategy"] for run in runs], words=True),
        Column("seed", [str(run["seed"]) for run in runs]),
        Column("origin", [run["origin"] for run in runs], words=True),
        Column(
            "campaigns (no. above)", [" ".join(str(number) for number in run["campaigns"]) for run in runs], words=True
        ),
        Column("trial", trials),
        Column("records found", [_has_records(sweep, run["campaigns"]) for run in runs], words=True),
    ]
    return make_table(
        "Folders behind each row of the comparison",
        columns,
        notes=("figures are drawn from the same campaigns as the row of their strategy and setting", *notes),
    )


def _has_records(sweep: Sweep, campaigns: tuple[int, ...]) -> str:
    exist = [(sweep.folders[number] / "campaign.json").exists() for number in campaigns]
    return "yes" if exist and all(exist) else "no"
