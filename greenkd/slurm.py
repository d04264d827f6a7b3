"""What a process learns from Slurm about its own job, and how it hands the job back."""

import re
import signal
import subprocess

from greenkd.whereabouts import scheduler_job

_TIMEOUT_S = 60

# What `sbatch --signal` is told to send some time before the end, and submitit tells it.
_ANNOUNCEMENTS = ("SIGUSR1", "SIGUSR2")
# `squeue` names a job that has ended for some minutes more.
_ENDED = (
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
)


def hand_back(stopped_by: str | None) -> bool:
    """Gives this process's job back to Slurm, to be run again, if a signal announced that Slurm takes its place away.

    A job that was cancelled gets the same signal as one that is preempted; handed back, it would come again against its
    user's will.

    Args:
        stopped_by: The signal's name; None: it was none.

    Returns:
        True if Slurm has the job again; it ends this process, which may end first.

    Raises:
        Exception: submitit's, if it does not run the job again: its time is over for the last time.
    """
    job = scheduler_job()
    if job is None or job.scheduler != "slurm" or stopped_by is None:
        return False
    if stopped_by not in _ANNOUNCEMENTS and not (stopped_by == "SIGTERM" and _is_preempted(job.number)):
        return False

    # submitit counts how often a job may come again, and keeps the call that is to be repeated.
    if callable(signal.getsignal(signal.SIGUSR2)):
        try:
            signal.raise_signal(signal.SIGUSR2)
        except subprocess.CalledProcessError as error:
            return error.returncode < 0  # Slurm was so quick to end the job that it ended the request as well
        return True
    return _run("scontrol", "requeue", job.number).returncode == 0


def is_queued(number: str) -> bool:
    """Tells whether Slurm has a job that waits, runs or ends; unlike `sacct` it needs no accounting database.

    Args:
        number: The job's, that of an array's job as 12_0.
    """
    states = _run("squeue", "--noheader", "--format=%T", "--jobs", number).stdout.split()
    return any(state not in _ENDED for state in states)


def _is_preempted(number: str) -> bool:
    """Tells whether Slurm is taking a job's nodes for another one."""
    time = re.search(r"PreemptTime=(\S+)", _run("scontrol", "show", "job", number).stdout)
    return time is not None and time[1] not in ("None", "Unknown")


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(words, 1, "", str(error))
