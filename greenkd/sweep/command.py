"""A sweep: what one command line asks for. Checks every campaign before the first one runs, and sums up at the end.

Heavy modules (torch, optuna, pandas) are imported when a job needs them, so that `--help` stays quick.
"""

import contextlib
import logging
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import rich
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from greenkd.errors import GreenkdError, StorageError, TeacherFailedError, TrainingInterruptedError
from greenkd.identity import campaign_folder, plain

if TYPE_CHECKING:
    from greenkd.campaign.console import Reporter
    from greenkd.campaign.settings import Settings
    from greenkd.records import CampaignRecord
    from greenkd.training.stop_signals import StopFlag

log = logging.getLogger("greenkd")

ROOM_BYTES = 1 << 16  # of free space, without which no campaign begins: a full disk takes an empty file


class ExitCode(IntEnum):
    """What a script can act on; docs/reliability.md says what to do about each."""

    DONE = 0
    UNFORESEEN = 1  # a bug, with its traceback; also Hydra's own code for a command line it cannot compose
    REFUSED = 2
    TRIALS_FAILED = 3  # or a budget stopped some
    INTERRUPTED = 130


# From the mildest to the gravest: one process, several campaigns, one code.
_GRAVITY = (ExitCode.DONE, ExitCode.TRIALS_FAILED, ExitCode.REFUSED, ExitCode.UNFORESEEN, ExitCode.INTERRUPTED)
_worst = ExitCode.DONE
_campaigns: list[tuple["Settings", Path]] = []  # of this command line, with their folders
_planner: int | None = None  # the process that checked them; a launcher's jobs run in others, of which each has one
_outcomes: dict[Path, Any] = {}  # with order=interleaved, where the first job runs all: how each has ended
_repeats: set[Path] = set()  # folders of jobs that would train what another job of this command line trains


def exit_code() -> ExitCode:
    """Returns the gravest outcome of this process's campaigns so far."""
    return _worst


def _note(code: ExitCode) -> None:
    global _worst  # noqa: PLW0603  (one process, one exit code)
    _worst = max(_worst, code, key=_GRAVITY.index)


def run_job(config: DictConfig) -> str:
    """Runs one campaign as a Hydra job.

    Returns:
        The campaign's status, or how it ended otherwise. Only an interruption ends the process: the campaigns after
        one that cannot go on are still run.
    """
    from greenkd.campaign.console import Reporter
    from greenkd.campaign.settings import read_settings
    from greenkd.campaign.workers.fork_server import start_fork_server
    from greenkd.records import CampaignStatus
    from greenkd.training.stop_signals import stop_on_signals

    folder = Path(HydraConfig.get().runtime.output_dir)
    if folder.resolve() in _repeats:
        return "repeat"
    reporter = Reporter()
    try:
        settings = read_settings(plain(config))
        if _is_launched():
            _campaigns[:] = [(settings, folder)]
        if any(each.training.parallel_trials != 1 for each, _ in _campaigns):
            start_fork_server()  # before the first campaign computes
        with reporter.live(), stop_on_signals() as stop:
            record = _run(settings, folder, stop, reporter)
    except TrainingInterruptedError as error:
        log.warning("%s; all finished steps are kept\n%s\nTo go on: %s", error, _what_is_left(), command_line())
        _close()
        sys.exit(ExitCode.INTERRUPTED)
    except TeacherFailedError as error:
        log.error("%s", error)
        _note(ExitCode.TRIALS_FAILED)
        return "failed"
    except (GreenkdError, OSError) as error:
        log.error("%s", error)  # without a traceback: it is the user's mistake, or the disk's
        _note(ExitCode.REFUSED)
        return "refused"
    except Exception:  # one campaign that breaks off must not take the others of the sweep with it
        log.exception("this campaign broke off for a reason nobody foresaw; please report it")
        _note(ExitCode.UNFORESEEN)
        return "broken off"
    if record.status is not CampaignStatus.DONE:
        _note(ExitCode.TRIALS_FAILED)
    return record.status.value


def _is_launched() -> bool:
    return _planner != os.getpid()


def _run(settings: "Settings", folder: Path, stop: "StopFlag", reporter: "Reporter") -> "CampaignRecord":
    """Runs one campaign; the first of campaigns that take turns runs them all."""
    from greenkd.campaign.campaign import run_campaign
    from greenkd.sweep.interleave import take_turns

    if settings.interleaving is None or folder.resolve() not in {own.resolve() for _, own in _campaigns}:
        return run_campaign(settings, folder, stop, reporter)
    if not _outcomes:
        _outcomes.update(take_turns(_campaigns, stop))
    outcome = _outcomes[folder.resolve()]
    if isinstance(outcome, Exception):
        raise outcome
    record: CampaignRecord = outcome
    return record


class SweepCallback(Callback):
    """Hooks into Hydra: refuses before anything runs, lists what will run, and compares at the end."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Checks the one campaign of `python run.py`."""
        _begin([config], lambda _: Path(config.hydra.run.dir))

    def on_run_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Says where the campaign lies and how to compare it."""
        _close()
        if exit_code() is not ExitCode.DONE:
            return
        folder = Path(config.hydra.run.dir)
        log.info("  records: %s", folder)
        log.info("  compare: python -m analysis %s", folder.parents[4])

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Checks all campaigns of `python run.py -m`."""
        _begin(_jobs(config), lambda job: Path(config.hydra.sweep.dir) / campaign_folder(job))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Books a job's start-up where a launcher has given it a process of its own."""
        if _is_launched():
            _close()

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Prints the comparison table."""
        _close()
        _look_at_records()
        from analysis import print_comparison  # after the campaigns' bills are closed: it loads pandas

        print_comparison(Path(config.hydra.sweep.dir))


def _begin(configs: Sequence[DictConfig], folder_of: Callable[[Mapping[str, Any]], Path]) -> None:
    """Checks every campaign, lists them, and ends the process if one is refused or nothing is to be trained."""
    from greenkd.campaign.progress import describe, read_state
    from greenkd.sweep.repeats import read_without_repeats

    global _planner  # noqa: PLW0603  (one process, one command line)
    _planner = os.getpid()
    try:
        jobs = [plain(config) for config in configs]
        read = read_without_repeats(jobs)
        _repeats.update(folder_of(job).resolve() for job, each in zip(jobs, read, strict=True) if each is None)
        settings = [each for each in read if each is not None]
        folders = [folder_of(job) for job, each in zip(jobs, read, strict=True) if each is not None]
        dry = any(each.dry_run or each.estimate for each in settings)
        if not dry:
            for folder in folders:
                _make(folder)
        _campaigns[:] = zip(settings, folders, strict=True)
        states = [read_state(*campaign) for campaign in _campaigns]
    except GreenkdError as error:
        _refuse(str(error))
    _show(describe(states))
    if _repeats:
        _show(f"  left out: {len(_repeats)} repeats of objectives that have no temperature, under other strategies")
    if any(each.estimate and not each.dry_run for each in settings):
        _show(_estimate())
    if dry:
        sys.exit(ExitCode.DONE)


def _estimate() -> str:
    """Estimates the campaigns of this command line."""
    from greenkd.estimate.estimate import make_estimate
    from greenkd.estimate.outcome import describe_estimate
    from greenkd.training.stop_signals import stop_on_signals

    try:
        with stop_on_signals() as stop:
            return describe_estimate(make_estimate(_campaigns, stop))
    except TrainingInterruptedError:
        sys.exit(ExitCode.INTERRUPTED)
    except GreenkdError as error:
        _refuse(str(error))


def _close() -> None:
    """Books what this command took outside its campaigns, and says how good an estimate of them was."""
    from greenkd.sweep.closing import close_command

    if not _campaigns:
        return
    folders = [folder for _, folder in _campaigns]
    try:
        for line in close_command(folders, folders[0].parents[4], command_line()):
            _show(line)  # not logged: after the last job of several Hydra's own format is back
    except GreenkdError as error:
        log.error("%s", error)
        _note(ExitCode.REFUSED)


def _look_at_records() -> None:
    """Notes how campaigns ended that a launcher has run in other processes, on other machines."""
    from greenkd.records import CampaignStatus, RecordError, read_campaign

    for _, folder in _campaigns:
        status = CampaignStatus.RUNNING
        with contextlib.suppress(RecordError, FileNotFoundError):
            status = read_campaign(folder / "campaign.json").status
        if status is not CampaignStatus.DONE:
            _note(ExitCode.TRIALS_FAILED)


def _what_is_left() -> str:
    """Returns the state of every campaign of this command line."""
    from greenkd.campaign.progress import describe, read_state

    return describe([read_state(*campaign) for campaign in _campaigns])


def _show(text: str, **style: Any) -> None:
    rich.get_console().print(text, markup=False, highlight=False, soft_wrap=True, **style)


def _refuse(message: str) -> NoReturn:
    _show(f"error: {message}", style="red")
    sys.exit(ExitCode.REFUSED)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(ROOM_BYTES))
            file.flush()
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be written ({error.strerror}); "
            "make it writable, or choose another place with hydra.sweep.dir=<folder> (hydra.run.dir without -m)"
        ) from error


def _jobs(config: DictConfig) -> list[DictConfig]:
    """Composes every job that Hydra's own sweeper will start.

    Another sweeper decides job by job: then there is nothing to list beforehand, and each job checks itself.
    """
    if not str(config.hydra.sweeper._target_).endswith(".BasicSweeper"):
        return []
    loader = GlobalHydra.instance().config_loader()
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(
        [
            *(f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()),
            *config.hydra.overrides.task,
        ]
    )
    batches = BasicSweeper.split_arguments(overrides, max_batch_size=None)
    return [loader.load_sweep_config(config, list(job)) for batch in batches for job in batch]


@contextlib.contextmanager
def hints() -> Iterator[None]:
    """Adds the cure where Hydra refuses a command line that looks right: `-m group=a,b group.key=…`."""
    try:
        yield
    except SystemExit as refused:
        if refused.code == 1:
            swept = {word.partition("=")[0] for word in sys.argv if "," in word.partition("=")[2]}
            for word in sys.argv[1:]:
                group, dot, _ = word.partition("=")[0].lstrip("+~").partition(".")
                if dot and group in swept:
                    _show(
                        f"hint: {word.partition('=')[0]} is a setting of one {group} option and cannot stand beside "
                        f"another in one -m. Run them one after the other (one sweep name compares them), or put it "
                        f"into an option file of your own, as conf/temperature/grid_coarse.yaml does.",
                        style="yellow",
                    )
                    break
        raise


def command_line() -> str:
    """Returns the command that this process runs, or a launcher's job stands for, to be typed again."""
    if _is_launched():
        return shlex.join(["python", "run.py", *HydraConfig.get().overrides.task])
    return shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]])
