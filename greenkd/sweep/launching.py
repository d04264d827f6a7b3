"""What a launcher is given to start: jobs that have something to do, for each job waits in a queue and takes a node."""

import logging
from collections.abc import Sequence
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus

log = logging.getLogger("greenkd")

# What launchers did before the first command of this process, by name.
_LAUNCHES_ALL: dict[str, Any] = {}


def leave_out_jobs(launcher: str, left_out: Sequence[bool]) -> None:
    """Lets Hydra's launcher of a name start all jobs of the command but some.

    Args:
        launcher: The `_target_` of its configuration.
        left_out: For each job of the command, in Hydra's order, whether there is nothing for it to do.
    """
    if not any(left_out):
        return

    # The class keeps its name: Hydra and the launcher's processes find it by that.
    classes: dict[str, Any] = Plugins.instance().class_name_to_class
    launches_all = _LAUNCHES_ALL.setdefault(launcher, classes[launcher].launch)

    def launch(self: Any, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Starts what is to be started; returns one result for each job of the command."""
        skips = left_out[initial_job_idx : initial_job_idx + len(job_overrides)]
        to_do = [words for words, skip in zip(job_overrides, skips, strict=True) if not skip]
        done = JobReturn(_return_value="done already", status=JobStatus.COMPLETED)

        launched = iter(launches_all(self, to_do, initial_job_idx) if to_do else ())
        return [done if skip else next(launched) for skip in skips]

    classes[launcher].launch = launch
    log.info("  %d of %d jobs have nothing to do and are not started", sum(left_out), len(left_out))
