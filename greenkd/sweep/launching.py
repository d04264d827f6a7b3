"""What a launcher is given to start: jobs that have something to do, each composed once before.

On a cluster every job waits in a queue and takes a node; here every job is composed and opened, half a second for which
thousands that are done would be an hour.
"""

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


def compose_no_job_to_try(sweeper: str) -> None:
    """Lets Hydra's sweeper of a name start a command's jobs without composing each of them once more before the first.

    It would do so to find mistakes in time. `greenkd.sweep.jobs` has composed them, and thousands take an hour.

    Args:
        sweeper: The `_target_` of its configuration.
    """
    classes: dict[str, Any] = Plugins.instance().class_name_to_class
    classes[sweeper].validate_batch_is_legal = _take_as_legal


def _take_as_legal(self: Any, batch: Sequence[Sequence[str]]) -> None:
    """Does nothing."""
