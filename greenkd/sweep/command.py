"""What Hydra calls: before the first job of a command, for each job, and after the last.

This module is light, so that `--help` stays quick. It is the gate to the heavy ones, and the only place with imports
inside functions: `greenkd.sweep.execution` brings torch and optuna when a command starts, `analysis` brings pandas when
its campaigns have ended.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from greenkd.errors import GreenkdError
from greenkd.identity import campaign_folder, sweep_folder
from greenkd.output_encoding import make_output_readable
from greenkd.records.place import address_problem
from greenkd.sweep.exit_codes import ExitCode
from greenkd.sweep.failed_writes import refusing
from greenkd.sweep.job import Job, as_job
from greenkd.sweep.jobs import compose_jobs
from greenkd.sweep.launching import compose_no_job_to_try, leave_out_jobs
from greenkd.sweep.passwords import password_problem
from greenkd.sweep.terminal import refuse
from greenkd.whereabouts import analysis_command, typed_line

if TYPE_CHECKING:
    from greenkd.sweep.execution import Command
    from greenkd.sweep.pull_worker import PullWorker

log = logging.getLogger("greenkd")
Composed = TypeVar("Composed")

# The command that this process carries out. Hydra makes its callback and calls `run_job` separately, and hands nothing
# of ours from one to the other: this is the one place where both find it.
_current: "Command | None" = None
# How often a thread looks for work before it sleeps, as libgomp reads it when torch is loaded. By default it looks for
# milliseconds, which on a busy machine is time that the thread with the work does not get: a step on two threads took
# ten times the CPU seconds (`python -m benchmarks.threads`). Results do not depend on it.
_SPINS = "1000"


def exit_code() -> ExitCode:
    """Returns the gravest outcome of this process's campaigns so far."""
    return ExitCode.DONE if _current is None else _current.exit_code


def run_job(config: DictConfig) -> str:
    """Runs one campaign as a Hydra job.

    Returns:
        The campaign's status, or in words how it ended otherwise. Only an interruption ends the process: the campaigns
        after one that cannot go on are still run.
    """
    hydra = HydraConfig.get()
    command = _current
    if command is None or not command.is_run_here:
        # A launcher has given this job a process of its own, to which the job is the whole command.
        make_output_readable()
        earlier = command
        command = _start(typed_line(), launched=True, repeats=set() if earlier is None else earlier.repeats)
        if earlier is not None:
            command.follow(earlier)

    return command.run(config, Path(hydra.runtime.output_dir))


class SweepCallback(Callback):
    """Hooks into Hydra: refuses before anything runs, lists what will run, and compares at the end."""

    @refusing()
    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Checks the one campaign of `python run.py`."""
        refuse_password(config)
        folder = _local_folder("hydra.run.dir", config.hydra.run.dir)
        job = _refusing_mistakes(lambda: as_job(config))
        _start(typed_line()).begin([job], lambda *_: folder)

    @refusing()
    def on_run_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Says where the campaign lies and how to compare it."""
        assert _current is not None
        _current.close()

        if exit_code() is ExitCode.DONE:
            folder = Path(config.hydra.run.dir)
            log.info("  records: %s", folder)
            log.info("  compare: %s %s", analysis_command(), sweep_folder(folder))

    @refusing()
    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Checks all campaigns of `python run.py -m`."""
        refuse_password(config)
        sweep = _local_folder("hydra.sweep.dir", config.hydra.sweep.dir)
        launcher = str(config.hydra.launcher._target_)
        here = launcher.endswith(".BasicLauncher")

        jobs, composing_cpu_s = _refusing_mistakes(lambda: _compose(config))
        command = _start(typed_line())
        states = command.begin(jobs, _folders_in(sweep), here=here, composing_cpu_s=composing_cpu_s)
        if launcher.endswith(".hydra_submitit_launcher.submitit_launcher.SlurmLauncher"):
            from greenkd.sweep.submitit_jobs import wait_patiently

            wait_patiently()
        if jobs:
            compose_no_job_to_try(str(config.hydra.sweeper._target_))
            leave_out_jobs(launcher, command.nothing_to_do)
            command.show_at_rest(states)

    @refusing()
    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Records a job's start-up where a launcher has given it a process of its own."""
        if _current is not None and not _current.is_run_here:
            _current.close()

    @refusing()
    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Prints the comparison table."""
        assert _current is not None
        _current.close()
        _current.note_records()

        # Loads pandas, for which no campaign is charged: their ledgers are closed by now.
        with _current.comparing():
            import analysis

            analysis.print_comparison(Path(config.hydra.sweep.dir), processes=analysis.usable_processes())


def _start(line: str, *, launched: bool = False, repeats: set[Path] | None = None) -> "Command":
    """Starts a command in this process; loads everything that needs torch.

    Args:
        line: The command line, to be typed again.
        launched: The command is a single job that a launcher has started.
        repeats: Folders of jobs that are left out, as the launching process has found them.
    """
    global _current  # noqa: PLW0603  (see its comment)
    _let_threads_sleep()
    from greenkd.sweep.execution import Command

    _current = Command(line, os.getpid(), launched, repeats or set())
    return _current


def plan_sweep(config: DictConfig, jobs: Sequence[Job]) -> tuple[Path, int]:
    """Checks and lists campaigns, and leaves their plans for workers; ends the process as `Command.begin` does.

    Args:
        config: The command line's.
        jobs: The composed jobs.

    Returns:
        The sweep's folder, and how many trials are left to be run; a campaign that only lacks its end counts as one.
    """
    if not str(config.hydra.launcher._target_).endswith(".BasicLauncher"):
        refuse("hydra/launcher: greenkd submit gives its workers to sbatch itself; leave the launcher out")
    if not jobs:
        refuse("hydra/sweeper: a sweeper that proposes jobs one by one cannot be planned; leave it out")

    sweep = _local_folder("hydra.sweep.dir", config.hydra.sweep.dir)
    command = _start(typed_line())
    states = command.begin(jobs, _folders_in(sweep), here=False)
    return sweep, sum(max(state.planned - state.ended, 1) for state in states if state.is_open)


def open_worker(sweep: Path, line: str) -> "PullWorker":
    """Loads what a worker needs, and lets it log to the terminal.

    Args:
        sweep: The sweep's folder.
        line: The command line, to be typed again.

    Raises:
        ConfigError: The folder holds no planned campaign.
    """
    _let_threads_sleep()
    from greenkd.campaign.console import ConsoleHandler
    from greenkd.sweep.pull_worker import PullWorker

    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[ConsoleHandler()])
    return PullWorker(sweep, line)


def _let_threads_sleep() -> None:
    """Says how long a thread looks for work, before torch is loaded."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)


def refuse_password(config: DictConfig) -> None:
    """Ends the process where a password would be written to a file, before Hydra writes any."""
    problem = password_problem(config)
    if problem is not None:
        refuse(problem)


def _compose(config: DictConfig) -> tuple[list[Job], float]:
    """Composes a command's jobs; returns them, and the CPU seconds that Hydra took for the first one."""
    began_s = time.process_time()
    composed_s: list[float] = []

    def check(job: DictConfig) -> None:
        composed_s.append(time.process_time() - began_s)
        refuse_password(job)

    return compose_jobs(config, check), composed_s[0] if composed_s else 0.0


def _refusing_mistakes(compose: Callable[[], Composed]) -> Composed:
    """Returns what is composed; ends the process where a value is missing or leads nowhere."""
    try:
        return compose()
    except GreenkdError as error:
        refuse(str(error))


def _folders_in(sweep: Path) -> Callable[[Mapping[str, Any], str], Path]:
    """Returns what names the folder of a job's campaign, given its configuration and id, in a sweep's folder."""
    return lambda config, identity: sweep / campaign_folder(config, identity)


def _local_folder(setting: str, place: str) -> Path:
    """Returns the folder that a setting names; ends the process where it is an address, before anything is made."""
    problem = address_problem(place)
    if problem is not None:
        refuse(f"{setting}={place}: {problem}")
    return Path(place)
