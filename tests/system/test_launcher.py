"""Launcher plugins: a process for each job, as on a Slurm cluster, or processes that run several."""

from pathlib import Path

import pytest

from greenkd.energy.unmetered import Seconds
from greenkd.records import UNMETERED, LedgerRow, Phase, ProcessRow, find_campaigns, read_campaign, read_rows
from greenkd.records.sweep import latest_of_each
from tests.system.conftest import QUICK, Run

pytestmark = [pytest.mark.system, pytest.mark.slow]


def test_jobs_of_a_launcher_pay_their_own_start_and_their_failures_are_told(greenkd: Run, base: Path) -> None:
    rates = ("training.lr=0.1,1e30", "training.teacher.lr=0.1")  # the second student diverges
    done = greenkd("-m", "hydra/launcher=submitit_local", "temperature=fixed", *rates, "sweep=launched", *QUICK)
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
    again = greenkd("-m", "hydra/launcher=submitit_local", "temperature=fixed", *rates, "sweep=launched", *QUICK)
    assert again.returncode == 3, again.stdout + again.stderr
    assert "1 of 2 jobs have nothing to do" in again.stdout
    logs = [file for file in sweep.glob(".submitit/*/*_log.out") if "done already" in file.read_text()]
    assert len(list(sweep.glob(".submitit/*/*_result.pkl"))) == 3, logs


def test_processes_that_run_several_jobs_share_their_start_among_them(greenkd: Run, base: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="pip install 'greenkd[joblib]'")
    words = ("temperature=fixed,stochastic", "seed=0,1", *QUICK)
    joblib = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    for sweep, launcher in (("alone", ()), ("joblib", joblib)):
        done = greenkd("-m", *launcher, f"sweep={sweep}", *words)
        assert done.returncode == 0, done.stdout + done.stderr
    sweep = base / "multirun" / "joblib"
    folders = list(find_campaigns(sweep))
    assert len(folders) == 4

    # Every second of a process is in one ledger, once.
    rows_of = {folder: read_rows(folder / "ledger.jsonl", LedgerRow).rows for folder in folders}
    cached = [row for path in (base / "cache").glob("*/*/ledger.jsonl") for row in read_rows(path, LedgerRow).rows]
    every = [*cached, *(row for rows in rows_of.values() for row in rows)]
    processes = latest_of_each(read_rows(sweep / "processes.jsonl", ProcessRow).rows)
    assert len(processes) == 2
    for process in processes:
        own = [row for row in every if row.pid == process.pid and row.started_at >= process.started_at]
        assert sum(row.duration_s for row in own) == pytest.approx(process.duration_s, rel=0.02)
        assert sum(row.cpu_s or 0 for row in own) == pytest.approx(process.cpu_s, rel=0.02)
        shares = [(row.duration_s, row.cpu_s) for row in own if UNMETERED in row.warnings]
        assert len(shares) == sum(any(row.pid == process.pid for row in rows) for rows in rows_of.values())
        assert len(set(shares)) == 1

    # What a multiple is made of is that of a command without a launcher.
    def flops(sweep: str, folder: Path) -> float:
        path = base / "multirun" / sweep / folder.relative_to(base / "multirun" / "joblib") / "ledger.jsonl"
        phases = (Phase.STUDENT_TRAINING, Phase.VALIDATION, Phase.TEST)
        return sum(row.flops or 0 for row in read_rows(path, LedgerRow).rows if row.phase in phases)

    assert all(flops("joblib", folder) == flops("alone", folder) > 0 for folder in folders)
