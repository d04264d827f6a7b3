"""A worker that pulls: it looks for a campaign with a trial that nobody runs, and needs no process to give it one.

All it knows stands in the sweep's folder. Trials are claimed by locks, so any number of workers come to the results of
one alone. The locks of one that dies are free, and its trial goes on elsewhere from its checkpoint.
"""

import logging
import os
import sys
import time
from pathlib import Path

import analysis
from greenkd.campaign.campaign import Campaign
from greenkd.campaign.console import Reporter
from greenkd.campaign.listing import describe
from greenkd.campaign.locks import open_locks
from greenkd.campaign.open_work import OpenWork, look, retrying_once
from greenkd.campaign.progress import read_state
from greenkd.energy.unmetered import charge_at_end
from greenkd.errors import ConfigError, GreenkdError, TrainingInterruptedError
from greenkd.locks import Lock
from greenkd.records import CampaignRecord, CampaignStatus
from greenkd.sweep.execution import Command
from greenkd.sweep.exit_codes import ExitCode
from greenkd.sweep.failed_writes import is_full
from greenkd.sweep.outcome import tell_failure
from greenkd.sweep.plan import PlannedCampaign, planned_folders, read_plan
from greenkd.sweep.terminal import show
from greenkd.sweep.warm_up import warm_up
from greenkd.training.stop_signals import StopFlag, stop_on_signals
from greenkd.whereabouts import analysis_command, number_among_workers, sweep_command, tools_command

log = logging.getLogger("greenkd")

# Seconds between two looks at campaigns that others are at, and how much longer than the last look this is at least.
_LOOK_S, _LOOK_COST = 1.0, 10


class PullWorker:
    """One process that takes trials of a sweep's campaigns.

    Args:
        sweep: The sweep's folder.
        line: The command line, to be typed again.

    Raises:
        ConfigError: It holds no planned campaign.
    """

    def __init__(self, sweep: Path, line: str) -> None:
        folders = planned_folders(sweep)
        if not folders:
            problem = "holds no planned campaign" if sweep.is_dir() else "there is no such folder"
            raise ConfigError(
                f"{sweep}: {problem}; give multirun/<sweep>, which {sweep_command()} -m and {tools_command()} submit "
                "make. Typed again, they plan a sweep of an earlier version"
            )

        # Workers begin at different campaigns, so that they do not all wait for the locks of one.
        first = number_among_workers() % len(folders)
        self._open = [*folders[first:], *folders[:first]]
        self._sweep = sweep
        self._plans: dict[Path, PlannedCampaign] = {}
        self._command = Command(line, os.getpid(), launched=False, repeats=set())
        self._watch: Lock | None = None  # while this is the idle worker that stays
        self._has_finished_the_last = False

    def states(self) -> str:
        """Describes how far every campaign of the sweep is."""
        plans = [self._plan(folder) for folder in sorted(self._open)]
        return describe([read_state(plan.settings, plan.folder) for plan in plans])

    def run(self) -> ExitCode:
        """Runs trials until none is free any more.

        Returns:
            The gravest outcome of the campaigns that it took part in. An interruption ends the process.
        """
        charge_at_end()
        reporter = Reporter()
        try:
            with reporter.live(), stop_on_signals() as stop:
                self._run_campaigns(stop, reporter)
        except TrainingInterruptedError as error:
            self._command.interrupted(error)
        finally:
            if self._watch is not None:
                self._watch.release()

        self._command.close()
        self._say_where_the_comparison_is()
        return self._command.exit_code

    def _run_campaigns(self, stop: StopFlag, reporter: Reporter) -> None:
        """Takes trials of one campaign after the other."""
        while True:
            stop.check()
            began_s = time.monotonic()
            plan = self._next_with_free_work()
            if plan is not None:
                self._take_part(plan, stop, reporter)
                continue
            if not self._open:
                return

            # One idle worker stays, for those that are at the last trials may die.
            self._has_finished_the_last = False
            if not self._may_watch():
                log.info(
                    "other workers run the trials that are left; one idle worker stays until the end, this one ends"
                )
                return
            time.sleep(max(_LOOK_S, _LOOK_COST * (time.monotonic() - began_s)))

    def _next_with_free_work(self) -> PlannedCampaign | None:
        """Returns the next campaign with something to do that nobody is at; forgets those that have ended."""
        for folder in list(self._open):
            try:
                plan = self._plan(folder)
                work = look(plan.settings, folder, plan.planned_at)
            except (GreenkdError, OSError) as error:
                self._give_up(folder, error)
                continue

            if work is OpenWork.NONE:
                self._open.remove(folder)
            elif work is OpenWork.FREE:
                # The next look begins behind it.
                self._open.remove(folder)
                self._open.append(folder)
                return plan
        return None

    def _plan(self, folder: Path) -> PlannedCampaign:
        if folder not in self._plans:
            self._plans[folder] = read_plan(folder)
        return self._plans[folder]

    def _take_part(self, plan: PlannedCampaign, stop: StopFlag, reporter: Reporter) -> None:
        """Runs trials of a campaign as long as one is free, and its end if that comes."""
        command, folder = self._command, plan.folder
        settings = retrying_once(plan.settings, folder, plan.planned_at)
        if not command.campaigns and len(self._open) > 1:
            warm_up(settings, command.data, stop)
        if folder not in {taken for _, taken in command.campaigns}:
            command.campaigns.append((settings, folder))

        own_reporter = reporter.for_campaign_in_turns()
        try:
            with Campaign(settings, folder, stop, own_reporter, command.data, has_workers=False) as campaign:
                record = _run_free_trials(campaign)
        except TrainingInterruptedError:
            raise
        except Exception as error:  # one campaign that breaks off must not take the others of the sweep with it
            self._give_up(folder, error)
            return

        if record is not None:
            self._has_finished_the_last = True
            if record.status is not CampaignStatus.DONE:
                command.note(ExitCode.TRIALS_FAILED)

    def _give_up(self, folder: Path, error: Exception) -> None:
        """Leaves a campaign that cannot go on here to others; on a full disk none could, so the process ends."""
        code, _ = tell_failure(error)
        self._command.note(code)
        self._open.remove(folder)
        if is_full(error):
            self._command.close()
            sys.exit(self._command.exit_code)

    def _may_watch(self) -> bool:
        """Tells whether this is the one idle worker that stays."""
        if self._watch is not None:
            return True
        storage = self._plan(self._open[0]).settings.storage
        watch = open_locks(storage).lock(self._sweep / ".locks" / "watch.lock", f"{self._sweep.name}/watch")
        if not watch.acquire(0):
            return False

        self._watch = watch
        log.info("other workers run the trials that are left; waiting, to take over what one of them should leave")
        return True

    def _say_where_the_comparison_is(self) -> None:
        """Prints the comparison if the sweep's last campaign was finished here, and else how to get it."""
        if self._has_finished_the_last and not self._open:
            with self._command.comparing():
                analysis.print_comparison(self._sweep, processes=analysis.usable_processes())
        else:
            show(f"compare what is there: {analysis_command()} {self._sweep}")


def _run_free_trials(campaign: Campaign) -> CampaignRecord | None:
    """Runs trials of a campaign until none is free.

    Returns:
        Its record, if all have ended and this process has finished it; None: others are at the rest.
    """
    campaign.prepare()
    trials = 0
    while campaign.run_free_trial():
        trials += 1
    if campaign.trials_are_over() or campaign.is_stopped_by_budget():
        while campaign.run_next_trial():  # a chosen trial whose weights are lost is trained again
            pass
        return campaign.finish()

    if not trials:  # others were quicker: they are to be seen at work at the next look
        time.sleep(_LOOK_S)
    return None
