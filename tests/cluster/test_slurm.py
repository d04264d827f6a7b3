"""Jobs on a real Slurm that are told to stop, preempted and cancelled."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from greenkd.records import TrialRow, read_rows
from tests.cluster.commands import output_of, results
from tests.commands import Command

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

JOB = (
    "energy=simulated",
    "training.epochs=30",
    "training.teacher.epochs=1",
    "training.batch_size=16",
    "student.width=4",
    "training.checkpoint_every_s=3600",  # only a stop writes one
)
LAUNCHER = (
    "-m",
    "hydra/launcher=submitit_slurm",
    "hydra.launcher.partition=low",
    "hydra.launcher.timeout_min=10",
    "hydra.launcher.max_num_timeout=5",
    "hydra.launcher.cpus_per_task=2",
)


def ask(slurm: dict[str, str], *words: str) -> str:
    return subprocess.run(words, env=slurm, capture_output=True, text=True, check=False, timeout=60).stdout.strip()


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 200
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def epochs(folder: Path) -> int:
    """Returns how many epochs of students are on record."""
    return sum(len(file.read_text().splitlines()) for file in folder.glob("multirun/**/epochs*.jsonl"))


def start_now(slurm: dict[str, str], job: str) -> None:
    """Spares a requeued job the two minutes that Slurm lets it wait."""

    def is_waiting() -> bool:
        return ask(slurm, "squeue", "-h", "-j", job, "-t", "PENDING", "-o", "%r") == "BeginTime"

    wait_until(is_waiting, "the job is in the queue again")
    ask(slurm, "scontrol", "update", f"JobId={job}", "StartTime=now")


def test_a_job_that_is_told_to_stop_and_then_preempted_ends_as_one_that_was_left_alone(
    slurm: dict[str, str], tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    output_of(Command("-m", "temperature=fixed", *JOB, cwd=alone))

    folder = tmp_path / "slurm"
    folder.mkdir()
    command = Command(*LAUNCHER, "temperature=fixed", *JOB, SLURM_CONF=slurm["SLURM_CONF"], cwd=folder)
    wait_until(lambda: epochs(folder) >= 3, "the job trains")
    (job,) = ask(slurm, "squeue", "-h", "-o", "%A").split()

    # Its time is nearly over, says a signal.
    ask(slurm, "scancel", "--signal=USR2", job)
    start_now(slurm, job)
    seen = epochs(folder)
    wait_until(lambda: epochs(folder) >= seen + 3, "the job goes on")

    # A job of a better partition takes the node.
    ask(slurm, "sbatch", "--partition=high", "--cpus-per-task=2", "--output=/dev/null", "--wrap=sleep 1")
    start_now(slurm, job)

    output = output_of(command)
    assert "Traceback" not in output
    assert results(folder) == results(alone)

    # No epoch was trained twice, and no attempt failed.
    assert epochs(folder) == epochs(alone) == 30
    (trials,) = folder.rglob("trials.jsonl")
    assert len(list(trials.parent.glob("trials*.jsonl"))) == 3  # of the job's three processes
    rows = read_rows(trials, TrialRow).rows
    assert [row.status.value for row in rows] == ["interrupted", "interrupted", "complete"]


def test_a_cancelled_job_stays_away_and_the_command_says_what_the_others_did(
    slurm: dict[str, str], tmp_path: Path
) -> None:
    short = [word.replace("epochs=30", "epochs=4") for word in JOB]
    command = Command(
        *LAUNCHER, "hydra.launcher.array_parallelism=1", "temperature=fixed", "temperature.tau=2,4", *short,
        cwd=tmp_path, SLURM_CONF=slurm["SLURM_CONF"],
    )  # fmt: skip
    wait_until(lambda: ask(slurm, "squeue", "-h", "-r", "-t", "PENDING", "-o", "%i"), "a job waits")
    waiting = ask(slurm, "squeue", "-h", "-r", "-t", "PENDING", "-o", "%i").splitlines()[-1]
    ask(slurm, "scancel", waiting)

    output = output_of(command, code=3)
    assert "Traceback" not in output
    assert f"job {waiting} ended without a result" in output
    assert "comparison.csv" in output
    assert len(results(tmp_path)) == 1
