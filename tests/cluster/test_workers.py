"""Workers of one sweep as an array of jobs on a real Slurm, one of which is killed."""

from pathlib import Path

import pytest

from greenkd.records import CampaignStatus, LedgerRow, Phase, find_campaigns, read_campaign, read_rows
from tests.cluster.commands import epochs, output_of, results, start, submit
from tests.cluster.slurm import ask, processes_of, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.nightly]

SWEEP = (
    "temperature=grid_coarse,stochastic",  # four trials, and one
    "energy=simulated",
    "energy.heartbeat_s=0.5",
    "training.epochs=8",
    "training.teacher.epochs=2",
    "training.batch_size=32",
    "student.width=4",
)
SUBMIT = ("--partition=low", "--array=0-1", "--cpus-per-task=1")


def running_jobs(slurm: dict[str, str]) -> list[str]:
    return ask(slurm, "squeue", "-h", "-r", "-t", "RUNNING", "-o", "%i").split()


def kill_the_worker(slurm: dict[str, str], job: str) -> None:
    for process, environment in processes_of(slurm):
        its_job = f"{environment.get('SLURM_ARRAY_JOB_ID')}_{environment.get('SLURM_ARRAY_TASK_ID')}"
        if its_job == job and process.info["name"].startswith("python"):
            process.kill()


def test_workers_of_which_one_dies_leave_what_one_command_leaves(slurm: dict[str, str], tmp_path: Path) -> None:
    alone, folder = tmp_path / "alone", tmp_path / "slurm"
    for made in (alone, folder):
        made.mkdir()
    output_of(start(alone, "-m", *SWEEP))

    assert "python -m greenkd worker multirun/default --list" in submit(folder, slurm, *SUBMIT, *SWEEP)
    wait_until(lambda: epochs(folder) >= 3 and len(running_jobs(slurm)) == 2, "two workers train")

    # One worker dies at once, and does not come again.
    kill_the_worker(slurm, running_jobs(slurm)[0])
    wait_until(lambda: len(running_jobs(slurm)) == 1, "one worker is left")
    wait_until(lambda: not ask(slurm, "squeue", "-h", "-o", "%A"), "all jobs have ended")

    # What was left is what one command leaves, chosen and tested.
    logs = "".join(log.read_text() for log in sorted(folder.glob("multirun/default/slurm/*.log")))
    assert results(folder) == results(alone), logs
    ours, theirs = ([read_campaign(found / "campaign.json") for found in find_campaigns(f)] for f in (folder, alone))
    assert [record.status for record in ours] == [CampaignStatus.DONE] * 2
    assert [(one.chosen_trial, one.tests) for one in ours] == [(other.chosen_trial, other.tests) for other in theirs]
    assert "comparison.csv" in logs

    # The teacher was trained once; the attempts that were killed are on record with their energy.
    def rows(root: Path, pattern: str, phase: Phase) -> list[LedgerRow]:
        ledgers = [found / "ledger.jsonl" for found in root.glob(pattern)]
        return [row for ledger in ledgers for row in read_rows(ledger, LedgerRow).rows if row.phase is phase]

    def images(root: Path, pattern: str, phase: Phase) -> int:
        return sum(row.images for row in rows(root, pattern, phase))

    teachers, campaigns = "cache/teachers/*", "multirun/default/*/*/*/*/seed*"
    taught = [images(root, teachers, Phase.TEACHER_TRAINING) for root in (folder, alone)]
    assert taught[0] == taught[1]
    trained = rows(folder, campaigns, Phase.STUDENT_TRAINING)
    assert [row for row in trained if row.attempt > 0]
    assert all(row.energy_kwh is not None for row in trained)
    assert sum(row.images for row in trained) >= images(alone, campaigns, Phase.STUDENT_TRAINING)

    assert "nothing is left to do" in submit(folder, slurm, *SUBMIT, *SWEEP)
    assert not ask(slurm, "squeue", "-h")
