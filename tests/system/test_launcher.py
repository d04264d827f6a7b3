"""A launcher plugin that gives every job a process of its own, as on a Slurm cluster."""

from pathlib import Path

import pytest

from greenkd.energy.unmetered import Seconds
from greenkd.records import UNMETERED, LedgerRow, ProcessRow, find_campaigns, read_campaign, read_rows
from tests.system.conftest import QUICK, Run

pytestmark = [pytest.mark.system, pytest.mark.slow]


def test_jobs_of_a_launcher_pay_their_own_start_and_their_failures_are_told(fresh: Run, base: Path) -> None:
    rates = ("training.lr=0.1,1e30", "training.teacher.lr=0.1")  # the second student diverges
    done = fresh("-m", "hydra/launcher=submitit_local", "temperature=fixed", *rates, "sweep=launched", *QUICK)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "written: multirun/launched/comparison.csv" in done.stdout
    sweep = base / "multirun" / "launched"
    folders = list(find_campaigns(sweep))
    assert sorted(read_campaign(folder / "campaign.json").status.value for folder in folders) == ["done", "failed"]
    ledgers = [*(folder / "ledger.jsonl" for folder in folders), *(base / "cache").glob("*/*/ledger.jsonl")]
    rows = [row for ledger in ledgers for row in read_rows(ledger, LedgerRow).rows]
    processes = read_rows(sweep / "processes.jsonl", ProcessRow).rows
    assert len({process.pid for process in processes}) == 2
    for process in processes:
        own = [row for row in rows if row.pid == process.pid]
        assert sum(UNMETERED in row.warnings for row in own) == 1
        recorded = Seconds(sum(row.duration_s for row in own), sum(row.cpu_s or 0 for row in own))
        assert recorded.duration_s == pytest.approx(process.duration_s, rel=0.02)
        assert recorded.cpu_s == pytest.approx(process.cpu_s, rel=0.02)
        assert "training.lr=" in process.command

    # Typed again, only the campaign that is not done is a job.
    again = fresh("-m", "hydra/launcher=submitit_local", "temperature=fixed", *rates, "sweep=launched", *QUICK)
    assert again.returncode == 3, again.stdout + again.stderr
    assert "1 of 2 jobs have nothing to do" in again.stdout
    logs = [file for file in sweep.glob(".submitit/*/*_log.out") if "done already" in file.read_text()]
    assert len(list(sweep.glob(".submitit/*/*_result.pkl"))) == 3, logs
