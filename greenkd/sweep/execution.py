"""One command from its check to its last record: what `greenkd.sweep.command` does with Hydra's calls."""

import contextlib
import dataclasses
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from omegaconf import DictConfig

from greenkd.campaign.at_rest import describe_at_rest
from greenkd.campaign.campaign import run_campaign
from greenkd.campaign.console import Reporter
from greenkd.campaign.listing import describe
from greenkd.campaign.progress import CampaignState, read_state
from greenkd.campaign.reading import read_settings
from greenkd.campaign.settings import Settings
from greenkd.campaign.training_context import DataCache
from greenkd.campaign.workers.fork_server import start_fork_server
from greenkd.collector import collect_no_more
from greenkd.energy.unmetered import charge_at_end, since_process_start
from greenkd.errors import GreenkdError, TrainingInterruptedError
from greenkd.estimate.estimate import make_estimate
from greenkd.estimate.table import describe_estimate
from greenkd.identity import plain, sweep_folder
from greenkd.records import CampaignRecord, CampaignStatus, RecordError, read_campaign
from greenkd.slurm import hand_back
from greenkd.sweep.checked_jobs import check_jobs, trains_nothing
from greenkd.sweep.closing import close_command, record_comparison
from greenkd.sweep.exit_codes import ExitCode, graver
from greenkd.sweep.failed_writes import in_words, is_full
from greenkd.sweep.interleave import RecordOrError, take_turns
from greenkd.sweep.job import Job
from greenkd.sweep.order import describe_order, groups_in_turns
from greenkd.sweep.outcome import tell_failure
from greenkd.sweep.start_up_shares import share_start_ups
from greenkd.sweep.terminal import refuse, show
from greenkd.sweep.warm_up import warm_up
from greenkd.training.stop_signals import StopFlag, stop_on_signals

log = logging.getLogger("greenkd")

# What a campaign was broken off by, where that is no refusal.
_CODE_OF: dict[str | None, ExitCode] = {"teacher": ExitCode.TRIALS_FAILED, "unforeseen": ExitCode.UNFORESEEN}


@dataclasses.dataclass
class Command:
    """What one command line asks for, and what has become of it so far.

    Attributes:
        line: The command line, to be typed again.
        pid: The process that it was started in.
        launched: It is a single job that a launcher has started in a process of its own.
        repeats: Resolved folders of jobs that would train what another job of the command trains.
        campaigns: Settings and folder of every campaign; those of a launched job, of which there is one, when it runs.
        results: Where campaigns take turns, so that the first job runs them all: by resolved folder, how each ended.
        nothing_to_do: For each job, whether it is a repeat, or its campaign is at rest.
        at_rest: Folders of campaigns for which nothing is left to do, as `campaigns` has them.
        run_here: Resolved folders of the campaigns that this process has run, whose exit codes are noted.
        exit_code: The gravest so far.
        data: The data set that campaigns following each other share.
        is_warm: What a process does once has been done.
        is_run_elsewhere: A launcher runs its jobs in other processes.
    """

    line: str
    pid: int
    launched: bool
    repeats: set[Path]
    campaigns: list[tuple[Settings, Path]] = dataclasses.field(default_factory=list)
    results: dict[Path, RecordOrError] = dataclasses.field(default_factory=dict)
    nothing_to_do: list[bool] = dataclasses.field(default_factory=list)
    at_rest: set[Path] = dataclasses.field(default_factory=set)
    run_here: set[Path] = dataclasses.field(default_factory=set)
    exit_code: ExitCode = ExitCode.DONE
    data: DataCache = dataclasses.field(default_factory=DataCache)
    is_warm: bool = False
    is_run_elsewhere: bool = False

    @property
    def is_run_here(self) -> bool:
        """Whether this process has checked the command and runs its jobs; a launcher's jobs run in other processes."""
        return not self.launched and self.pid == os.getpid()

    def follow(self, earlier: "Command") -> None:
        """Takes over what this process keeps of an earlier job that a launcher gave it."""
        if earlier.launched and earlier.pid == self.pid:
            self.data, self.is_warm = earlier.data, earlier.is_warm

    def note(self, code: ExitCode) -> None:
        """Keeps an exit code if it is graver than those before."""
        self.exit_code = graver(self.exit_code, code)

    def begin(
        self,
        jobs: Sequence[Job],
        folder_of: Callable[[Mapping[str, Any], str], Path],
        *,
        here: bool = True,
        composing_cpu_s: float = 0.0,
    ) -> list[CampaignState]:
        """Checks every campaign, lists them, and ends the process if one is refused or nothing is to be trained.

        Args:
            jobs: The composed jobs.
            folder_of: Returns the folder of a job's campaign, given its configuration and id.
            here: The jobs will run in this process, not where a launcher puts them.
            composing_cpu_s: CPU seconds that Hydra takes to compose a job.

        Returns:
            How far each campaign is.
        """
        self.is_run_elsewhere = not here
        try:
            checked = check_jobs(jobs, folder_of)
        except GreenkdError as error:
            refuse(str(error))
        self.campaigns, self.repeats, self.at_rest = checked.campaigns, checked.repeats, checked.at_rest
        self.nothing_to_do, states = checked.nothing_to_do, checked.states

        show(describe(states))
        if any(settings.dry_run for settings, _ in self.campaigns):
            in_turns = describe_order(self.campaigns, states) if here else None
            show(in_turns or f"order: {'one after the other, as listed' if here else 'as the launcher starts them'}")
        if self.repeats:
            left_out = len(self.repeats)
            show(f"  left out: {left_out} repeats of objectives that have no temperature, under other strategies")

        if any(settings.estimate and not settings.dry_run for settings, _ in self.campaigns):
            show(self._estimate(composing_cpu_s))
        if trains_nothing(self.campaigns):
            if any(settings.dry_run for settings, _ in self.campaigns):
                collect_no_more()  # nothing was loaded that counts its objects
            sys.exit(ExitCode.DONE)
        return states

    def show_at_rest(self, states: Sequence[CampaignState]) -> None:
        """Says which campaigns will not even be opened.

        Args:
            states: How far each campaign is, as `begin` returned them.
        """
        campaigns = zip(self.campaigns, states, strict=True)
        for line in describe_at_rest((one, state) for (one, folder), state in campaigns if folder in self.at_rest):
            show(line)

    def _estimate(self, composing_cpu_s: float) -> str:
        """Estimates the campaigns, and returns the table to show."""
        try:
            with stop_on_signals() as stop:
                return describe_estimate(make_estimate(self.campaigns, stop, composing_cpu_s))
        except TrainingInterruptedError as error:
            show(f"{error}; nothing was trained. To go on: {self.line}", style="yellow")
            sys.exit(ExitCode.INTERRUPTED)
        except GreenkdError as error:
            refuse(str(error))

    def run(self, config: DictConfig, folder: Path) -> str:
        """Runs one job's campaign, and notes how it ended.

        Args:
            config: The composed job.
            folder: The campaign's folder.

        Returns:
            The campaign's status, or in words how it ended otherwise.
        """
        if folder.resolve() in self.repeats:
            return "repeat"

        self.run_here.add(folder.resolve())
        reporter = Reporter()
        try:
            settings = read_settings(plain(config))
            if self.launched:
                self.campaigns = [(settings, folder)]
            charge_at_end()
            if any(other.training.parallel_trials != 1 for other, _ in self.campaigns):
                start_fork_server()  # before the first campaign computes
            with reporter.live(), stop_on_signals() as stop:
                self._warm_up(stop)
                record = self._run_campaign(settings, folder, stop, reporter)

        except TrainingInterruptedError as error:
            self.interrupted(error)
        except Exception as error:  # one campaign that breaks off must not take the others of the sweep with it
            code, ending = tell_failure(error)
            self.note(code)
            if is_full(error) and not self.launched:  # no other campaign would come further
                sys.exit(self.exit_code)
            return ending

        if record.status is not CampaignStatus.DONE:
            self.note(ExitCode.TRIALS_FAILED)
        return record.status.value

    def interrupted(self, error: TrainingInterruptedError) -> NoReturn:
        """Ends the process after a stop: says what is left, closes records, gives a job back that Slurm takes away."""
        states = f"{self._states()}\n" if self.campaigns else ""
        log.warning("%s; all finished steps are kept\n%sTo go on: %s", error, states, self.line)
        self.close()
        if hand_back(error.signal):
            log.warning("Slurm has the job again, and will go on with it from these checkpoints")
        sys.exit(ExitCode.INTERRUPTED)

    def _warm_up(self, stop: StopFlag) -> None:
        """Does what is done once per process, before the first of several campaigns that have something to train."""
        if self.is_warm:
            return

        self.is_warm = True
        to_do = [settings for settings, folder in self.campaigns if read_state(settings, folder).is_open]
        # A launched job is one of several, and its process may run more of them.
        if len(to_do) > 1 or (self.launched and to_do):
            warm_up(to_do[0], self.data, stop)

    def _run_campaign(self, settings: Settings, folder: Path, stop: StopFlag, reporter: Reporter) -> CampaignRecord:
        """Runs one campaign; the first of campaigns that take turns runs them all."""
        here = folder.resolve()
        if here not in self.results:
            groups = groups_in_turns(self.campaigns)
            if not groups or here not in {other.resolve() for _, other in self.campaigns}:
                return run_campaign(settings, folder, stop, reporter, self.data)
            self.results = take_turns(groups, stop, self.data, reporter, self.at_rest)

        result = self.results[here]
        if isinstance(result, Exception):
            raise result
        return result

    def _states(self) -> str:
        """Describes how far every campaign of the command is."""
        return describe([read_state(settings, folder) for settings, folder in self.campaigns])

    def close(self) -> None:
        """Records what the command took outside its campaigns, and says how good an estimate of them was."""
        if not self.campaigns:
            return

        sweep, storage = sweep_folder(self.campaigns[0][1]), self.campaigns[0][0].storage
        folders = [folder for _, folder in self.campaigns if folder not in self.at_rest]
        try:
            for line in close_command(folders, sweep, self.line, storage):
                show(line)  # not logged: after the last job of several Hydra's own format is back
            if self.is_run_elsewhere:
                share_start_ups(folders, storage)
        except (GreenkdError, OSError) as error:
            show(f"error: {in_words(error)}", style="red")
            self.note(ExitCode.REFUSED)

    @contextlib.contextmanager
    def comparing(self) -> Iterator[None]:
        """Records what is done until the block's end as the comparison, for which no campaign is charged."""
        begun = since_process_start()
        try:
            yield
            record_comparison(sweep_folder(self.campaigns[0][1]), self.line, begun)
        except (GreenkdError, OSError) as error:
            show(f"error: {in_words(error)}", style="red")
            self.note(ExitCode.REFUSED)

    def note_records(self) -> None:
        """Notes how campaigns ended that a launcher has run in other processes, on other machines."""
        for _, folder in self.campaigns:
            if folder in self.at_rest or folder.resolve() in self.run_here:  # noted when it ended
                continue
            record = None
            with contextlib.suppress(RecordError, FileNotFoundError):
                record = read_campaign(folder / "campaign.json")

            if record is not None and record.refused:
                self.note(_CODE_OF.get(record.broken_off_by, ExitCode.REFUSED))
            elif record is None or record.status is not CampaignStatus.DONE:
                self.note(ExitCode.TRIALS_FAILED)
