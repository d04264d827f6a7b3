"""Jobs on a real Slurm that are told to stop, preempted, cancelled, or lose their node."""

from pathlib import Path

import pytest

from greenkd.records import LedgerRow, Phase, TrialRow, read_rows
from tests.cluster.commands import epochs, output_of, results, start, submit
from tests.cluster.slurm import ask, bring_the_node_back, lose_the_node, start_now, wait_until

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


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a command of no cluster leaves."""
    folder = tmp_path_factory.mktemp("alone")
    output_of(start(folder, "-m", "temperature=fixed", *JOB))
    return folder


def test_a_job_that_is_told_to_stop_and_then_preempted_ends_as_one_that_was_left_alone(
    slurm: dict[str, str], alone: Path, tmp_path: Path
) -> None:
    folder = tmp_path
    command = start(folder, *LAUNCHER, "temperature=fixed", *JOB, SLURM_CONF=slurm["SLURM_CONF"])
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
    command = start(
        tmp_path, *LAUNCHER, "hydra.launcher.array_parallelism=1", "temperature=fixed", "temperature.tau=2,4", *short,
        SLURM_CONF=slurm["SLURM_CONF"],
    )  # fmt: skip
    wait_until(lambda: ask(slurm, "squeue", "-h", "-r", "-t", "PENDING", "-o", "%i"), "a job waits")
    waiting = ask(slurm, "squeue", "-h", "-r", "-t", "PENDING", "-o", "%i").splitlines()[-1]
    ask(slurm, "scancel", waiting)

    output = output_of(command, code=3)
    assert "Traceback" not in output
    assert f"job {waiting} ended without a result" in output
    assert "comparison.csv" in output
    assert len(results(tmp_path)) == 1


def test_a_job_whose_node_dies_goes_on_when_the_node_is_back(
    slurm: dict[str, str], alone: Path, tmp_path: Path
) -> None:
    often = [word.replace("3600", "0.5") for word in JOB]
    submit(tmp_path, slurm, "--partition=low", "--array=0", "--cpus-per-task=2", "temperature=fixed", *often)
    wait_until(lambda: epochs(tmp_path) >= 5, "the worker trains")
    (job,) = ask(slurm, "squeue", "-h", "-o", "%A").split()

    lose_the_node(slurm)
    seen = epochs(tmp_path)
    assert seen < 30
    bring_the_node_back(slurm)
    start_now(slurm, job)
    wait_until(lambda: not ask(slurm, "squeue", "-h"), "the job has ended")

    # It went on from a checkpoint, and ended as one that was left alone.
    assert results(tmp_path) == results(alone)
    assert 30 <= epochs(tmp_path) < 30 + seen
    (trials,) = tmp_path.rglob("trials.jsonl")
    row = read_rows(trials, TrialRow).rows[-1]
    assert (row.attempt, row.status.value) == (1, "complete")

    # What the lost attempt spent since its last checkpoint is on record a second time, and nothing else is.
    def trained(folder: Path) -> dict[int, int]:
        (ledger,) = folder.glob("multirun/*/*/*/*/*/seed*/ledger.jsonl")
        rows = [row for row in read_rows(ledger, LedgerRow).rows if row.phase is Phase.STUDENT_TRAINING]
        assert all(row.energy_kwh for row in rows)
        return {key: sum(row.images for row in rows if row.attempt == key) for key in {row.attempt for row in rows}}

    lost, went_on = trained(tmp_path)[0], trained(tmp_path)[1]
    assert went_on < trained(alone)[0] <= lost + went_on
