"""Runs the sweeps of a study one after the other, and packs the records of each that has finished."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import analysis
from greenkd.errors import StorageError
from greenkd.records import CampaignStatus, find_campaigns, read_campaign, read_estimate
from greenkd.records.packing import pack, unpack
from studies.study import Study

ROOT = Path(__file__).parents[1]


def run_study(study: Study, only: Sequence[str], overrides: Sequence[str]) -> int:
    """Runs every sweep that is not packed yet; what was begun goes on where it stopped.

    Args:
        study: The study.
        only: Names of the sweeps to run; none: all.
        overrides: What is added to each command, such as `data_dir=<folder>`.

    Returns:
        The exit code: 0, or that of the first command that did not do all of its work.
    """
    for sweep in only or study.plan.sweeps:
        if study.is_packed(sweep):
            print(f"{sweep}: its records are in {study.archive(sweep)}; remove that file to run it again", flush=True)
            continue

        code = run_sweep(study, sweep, overrides)
        if code != 0:
            return code
        pack_sweep(study, sweep)
    return 0


def estimate_study(study: Study, only: Sequence[str], overrides: Sequence[str]) -> int:
    """Says what the sweeps that are not packed yet will cost, and holds the sum against the budget.

    Returns:
        The exit code: 0; 1 where the sum exceeds the budget; or that of the first command that failed.
    """
    total_s = 0.0
    for sweep in only or study.plan.sweeps:
        if study.is_packed(sweep):
            continue
        code = run_sweep(study, sweep, [*overrides, "estimate=true"])
        if code != 0:
            return code
        record = read_estimate(study.sweep_folder(sweep) / "estimate.json")
        total_s += 0.0 if record is None else record.total.cpu_s

    hours, budget = total_s / 3600, study.plan.core_hours
    print(f"sweeps that are not packed yet: {hours:.1f} hours of one core; the whole study may take {budget:g}")
    return int(hours > budget)


def load_records(study: Study) -> analysis.Sweep:
    """Reads the packed records of a study, in the order of its sweeps."""
    return analysis.load([unpack(study.archive(sweep)) for sweep in study.plan.sweeps if study.is_packed(sweep)])


def pack_sweep(study: Study, sweep: str) -> None:
    """Packs the records of a sweep that has finished.

    Raises:
        StorageError: A campaign has not finished, or a file is not what was written.
    """
    folder = study.sweep_folder(sweep)
    for campaign in find_campaigns(folder):
        status = read_campaign(campaign / "campaign.json").status
        if status != CampaignStatus.DONE:
            raise StorageError(f"{campaign}: is {status}, so its sweep is not packed; run the same command again")

    problems = analysis.verify([folder]).problems
    if problems:
        raise StorageError(f"{problems[0].where}: {problems[0].what}; its sweep is not packed")

    archive = study.archive(sweep)
    files = pack(folder, archive)
    print(f"{sweep}: {files} files packed into {archive}, {archive.stat().st_size / 1e3:.0f} kB", flush=True)


def run_sweep(study: Study, sweep: str, overrides: Sequence[str]) -> int:
    """Runs the command of one experiment of a study, and returns its exit code."""
    command = [sys.executable, "run.py", "-m", "--config-dir", str(study.folder), f"experiment={sweep}", *overrides]
    print(f"{sweep}: python {' '.join(command[1:])}", flush=True)
    return subprocess.run(command, cwd=ROOT, check=False).returncode
