"""What a process learns from Slurm about its own job, and how it hands the job back."""

import os
import re
import subprocess

_TIMEOUT_S = 60


def slurm_job() -> str | None:
    """Returns the number of the Slurm job that this process is part of; None outside of Slurm."""
    return os.environ.get("SLURM_JOB_ID")


def is_preempted(job: str) -> bool:
    """Tells whether Slurm is taking a job's nodes for another one, and will run it again; a cancelled job is not.

    Both are announced by SIGTERM. A cancelled job that asked to be requeued would come back against its user's will.
    """
    shown = _ask("scontrol", "show", "job", job)
    time = re.search(r"PreemptTime=(\S+)", shown)
    return time is not None and time[1] not in ("None", "Unknown")


def requeue(job: str) -> bool:
    """Asks Slurm to run a job again from its beginning; it ends this process. False if Slurm refuses."""
    return _run("scontrol", "requeue", job).returncode == 0


def is_queued(job: str) -> bool:
    """Tells whether Slurm has a job that waits, runs or ends; unlike `sacct` it needs no accounting database.

    Args:
        job: Its number, that of an array's job as 12_0.
    """
    return bool(_ask("squeue", "--noheader", "--format=%T", "--jobs", job).strip())


def _ask(*words: str) -> str:
    return _run(*words).stdout


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(words, 1, "", str(error))
