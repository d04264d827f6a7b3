"""Campaigns that take turns, trial by trial, seed after seed: what drifts in the machine then hits all strategies.

`greenkd.sweep.order` says who has turns with whom and draws the blocks. Before the first block of a seed, or before
each block, the machine is measured: an idle window, and some fixed training steps whose CPU seconds say whether it has
become slower or faster.
"""

import contextlib
import dataclasses
import itertools
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from greenkd.campaign.campaign import Campaign
from greenkd.campaign.console import LogFile, Reporter
from greenkd.campaign.progress import read_state
from greenkd.campaign.training_context import DataCache
from greenkd.errors import TrainingInterruptedError
from greenkd.identity import sweep_folder
from greenkd.records import CampaignRecord
from greenkd.sweep.machine import Machine
from greenkd.sweep.order import PlannedCampaigns, draw_blocks
from greenkd.training.stop_signals import StopFlag

# A campaign's record, or why it could not go on.
RecordOrError = CampaignRecord | Exception


@dataclasses.dataclass
class _Participant:
    """A campaign that takes turns with others."""

    name: str
    folder: Path
    campaign: Campaign
    due: int  # turns still to be had


def take_turns(
    groups: Sequence[PlannedCampaigns],
    stop: StopFlag,
    data: DataCache,
    reporter: Reporter,
    at_rest: Collection[Path] = (),
) -> dict[Path, RecordOrError]:
    """Runs campaigns of one sweep to their ends, group after group.

    Args:
        groups: Settings and folder of the campaigns that take turns with each other.
        stop: Asked between steps.
        data: Keeps the data set that they share.
        reporter: Whose progress bar the campaigns' own reporters use.
        at_rest: Folders of campaigns for which nothing is left to do; they are not opened.

    Returns:
        By resolved folder: the campaign's record, or why it could not go on; the others were run all the same.

    Raises:
        TrainingInterruptedError: A stop was asked for.
    """
    first_settings, first_folder = groups[0][0]
    machine = Machine(first_settings, sweep_folder(first_folder), stop, data)

    results: dict[Path, RecordOrError] = {}
    for group in groups:
        with contextlib.ExitStack() as stack:
            running: list[_Participant] = []
            for settings, folder in group:
                if folder in at_rest:
                    continue
                state = read_state(settings, folder)
                own_reporter = reporter.for_campaign_in_turns()
                campaign = stack.enter_context(Campaign(settings, folder, stop, own_reporter, data, takes_turns=True))
                name = f"{settings.temperature.name} seed {settings.seed}"
                participant = _Participant(name, folder, campaign, state.turns)
                # What comes before a campaign's first trial, its teacher included.
                if _attempt(participant, _prepare, results):
                    running.append(participant)

            _run_blocks(running, group[0][0].seed, machine, results)
    return results


def _run_blocks(
    running: Sequence[_Participant], seed: int, machine: Machine, results: dict[Path, RecordOrError]
) -> None:
    """Gives prepared campaigns their turns until all have ended."""
    # Turns that nobody foresaw (a trial whose weights were lost) come in further blocks, all together.
    drawn = draw_blocks([participant.due for participant in running], seed)
    foreseen = [[running[position] for position in block] for block in drawn]

    for number, block in enumerate(itertools.chain(foreseen, itertools.repeat(running))):
        if all(participant.folder.resolve() in results for participant in running):
            return

        due = [participant for participant in block if participant.folder.resolve() not in results]
        if due:
            machine.begin_block([participant.name for participant in due], first_of_seed=number == 0)
        for participant in due:
            _attempt(participant, _take_turn, results)


def _attempt(
    participant: _Participant,
    work: Callable[[Campaign], CampaignRecord | None],
    results: dict[Path, RecordOrError],
) -> bool:
    """Lets a campaign do something; returns False if it has ended, with its result kept."""
    try:
        with _logging_to(participant.folder):
            result: RecordOrError | None = work(participant.campaign)
    except TrainingInterruptedError:
        raise
    except Exception as error:  # one campaign that breaks off must not take the others with it; its job raises it
        result = error
    if result is None:
        return True

    participant.campaign.close(result if isinstance(result, Exception) else None)
    results[participant.folder.resolve()] = result
    return False


@contextlib.contextmanager
def _logging_to(folder: Path) -> Iterator[None]:
    """Sends what is logged in its block to a campaign's own file, where Hydra logs to that of the job that runs."""
    root = logging.getLogger()
    of_the_job = next((handler for handler in root.handlers if isinstance(handler, logging.FileHandler)), None)
    if of_the_job is None or Path(of_the_job.baseFilename).suffix != ".log" or not folder.is_dir():
        yield
        return

    of_the_campaign = LogFile(folder / Path(of_the_job.baseFilename).name, encoding="utf-8", delay=True)
    of_the_campaign.setFormatter(of_the_job.formatter)
    root.removeHandler(of_the_job)
    root.addHandler(of_the_campaign)
    try:
        yield
    finally:
        root.removeHandler(of_the_campaign)
        of_the_campaign.close()
        root.addHandler(of_the_job)


def _prepare(campaign: Campaign) -> CampaignRecord | None:
    """Prepares a campaign; returns its record if it has nothing to train."""
    campaign.prepare()
    if campaign.trials_are_over():
        return _finish(campaign)

    campaign.pause()
    return None


def _take_turn(campaign: Campaign) -> CampaignRecord | None:
    """Gives a campaign one trial; returns its record if that was the last."""
    campaign.resume()
    if not campaign.run_next_trial() or campaign.trials_are_over():
        return _finish(campaign)

    campaign.pause()
    return None


def _finish(campaign: Campaign) -> CampaignRecord:
    while campaign.run_next_trial():  # a chosen trial whose weights are lost is trained again
        pass
    return campaign.finish()
