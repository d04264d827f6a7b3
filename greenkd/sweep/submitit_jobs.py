"""Jobs of hydra-submitit-launcher that may end in any way: what they leave is compared, and what is lost is said.

The launcher ends the whole command with a traceback when one job of many is cancelled, loses its node or runs out of
time, and without Slurm's accounting database it waits for ever for a job that died. What a job has done is in its
campaign's records, whatever became of the job.
"""

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher
from submitit.core.utils import FailedJobError, UncompletedJobError
from submitit.slurm import slurm
from submitit.slurm.slurm import SlurmJob

from greenkd.slurm import is_queued
from greenkd.sweep.exit_codes import ExitCode

log = logging.getLogger("greenkd")

# A job that is requeued leaves the queue for a moment: only one that stays away is gone.
GONE_AFTER_S = 30.0
_LOOK_EVERY_S = 5.0


class _Job(SlurmJob[Any]):
    """A job whose end without a result is reported instead of raised."""

    _looked_s = 0.0
    _gone_since_s: float | None = None

    def results(self) -> list[Any]:
        """Waits for the job, and returns Hydra's result; one of our own if the job left none."""
        try:
            return super().results()
        except UncompletedJobError:
            log.warning("job %s ended without a result; its log: %s", self.job_id, self.paths.stderr)
        except FailedJobError as error:
            log.error("job %s: %s", self.job_id, _last_line(str(error)))
        return [JobReturn(_return_value="lost", status=JobStatus.COMPLETED)]

    def done(self, force_check: bool = False) -> bool:
        """Tells whether the job has left a result, or the queue; submitit asks an accounting database instead."""
        folder = self.paths.folder
        with suppress(OSError):
            folder.chmod(folder.stat().st_mode)  # lets a network file system look again
        if self.paths.result_pickle.exists():
            return True

        now_s = time.monotonic()
        if now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now_s
            if is_queued(self.job_id):
                self._gone_since_s = None
            elif self._gone_since_s is None:
                self._gone_since_s = now_s
        return self._gone_since_s is not None and now_s - self._gone_since_s >= GONE_AFTER_S


class PatientSlurmLauncher(SlurmLauncher):  # type: ignore[misc]
    """`hydra/launcher=submitit_slurm`, waiting for every job whatever becomes of the others."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Submits a job for each campaign, and waits for them; an interrupt leaves them to Slurm."""
        with _patient_jobs() as jobs:
            try:
                returns: Sequence[JobReturn] = super().launch(job_overrides, initial_job_idx)
                return returns
            except KeyboardInterrupt:
                numbers = " ".join(sorted({job.job_id.partition("_")[0] for job in jobs}))
                log.warning(
                    "interrupted; the jobs stay with Slurm. The same command waits for what they leave; "
                    "to cancel them: scancel %s",
                    numbers,
                )
                sys.exit(ExitCode.INTERRUPTED)


def wait_patiently() -> None:
    """Lets Hydra use `PatientSlurmLauncher` where a user names the Slurm launcher."""
    name = f"{SlurmLauncher.__module__}.{SlurmLauncher.__qualname__}"
    Plugins.instance().class_name_to_class[name] = PatientSlurmLauncher


@contextmanager
def _patient_jobs() -> Iterator[list[_Job]]:
    """Lets submitit make `_Job`s within the block; yields those that are made."""
    jobs: list[_Job] = []

    class Job(_Job):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            jobs.append(self)

    # Jobs of an array are made by this name, whatever the executor's `job_class` is.
    slurm.SlurmJob = Job  # type: ignore[misc]
    try:
        yield jobs
    finally:
        slurm.SlurmJob = SlurmJob  # type: ignore[misc]


def _last_line(trace: str) -> str:
    """Returns the line of a traceback that says what was raised."""
    lines = [line for line in trace.splitlines() if line and not line.startswith((" ", "-", "You can check"))]
    return lines[-1] if lines else trace
