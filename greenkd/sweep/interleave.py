"""Campaigns that take turns, trial by trial, in random blocks: what drifts in the machine then hits all strategies.

A block gives a turn to each campaign that is due, in random order. A campaign with fewer trials than another has its
turns in randomly drawn blocks, so that one training is not always the first. Before each block the machine is idle for
a while, and then makes some fixed training steps, whose CPU seconds say whether it has become slower or faster.
"""

import contextlib
import dataclasses
import itertools
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from greenkd.campaign.campaign import Campaign
from greenkd.campaign.console import Reporter
from greenkd.campaign.progress import read_state
from greenkd.campaign.settings import Settings
from greenkd.campaign.training_context import DataCache
from greenkd.errors import GreenkdError, TrainingInterruptedError
from greenkd.identity import sweep_folder
from greenkd.records import CampaignRecord
from greenkd.sweep.machine import Machine
from greenkd.training.stop_signals import StopFlag

# A campaign's record, or why it could not go on.
RecordOrError = CampaignRecord | Exception


@dataclasses.dataclass
class _Participant:
    """A campaign that takes turns with others."""

    name: str
    folder: Path
    campaign: Campaign
    due: int  # trials still to be run


def take_turns(
    campaigns: Sequence[tuple[Settings, Path]], stop: StopFlag, data: DataCache
) -> dict[Path, RecordOrError]:
    """Runs campaigns of one sweep to their ends.

    Args:
        campaigns: Settings and folder of each.
        stop: Asked between steps.
        data: Keeps the data set that they share.

    Returns:
        By resolved folder: the campaign's record, or why it could not go on; the others were run all the same.

    Raises:
        TrainingInterruptedError: A stop was asked for.
    """
    first_settings, first_folder = campaigns[0]
    results: dict[Path, RecordOrError] = {}
    with contextlib.ExitStack() as stack:
        # What comes before a campaign's first trial, its teacher included.
        running: list[_Participant] = []
        for settings, folder in campaigns:
            state = read_state(settings, folder)
            campaign = stack.enter_context(Campaign(settings, folder, stop, Reporter(), data, takes_turns=True))
            name = f"{settings.temperature.name} seed {settings.seed}"
            participant = _Participant(name, folder, campaign, state.planned - state.ended)
            if _attempt(participant, _prepare, results):
                running.append(participant)

        if not running:
            return results
        machine = Machine(first_settings, sweep_folder(first_folder), stop, data)

        # Turns that nobody foresaw (a trial whose weights were lost) come in further blocks, all together.
        drawn = draw_blocks([participant.due for participant in running], first_settings.seed)
        foreseen = [[running[position] for position in block] for block in drawn]
        for number, block in enumerate(itertools.chain(foreseen, itertools.repeat(running))):
            if len(results) == len(campaigns):
                break

            due = [participant for participant in block if participant.folder.resolve() not in results]
            if due:
                machine.check(number, [participant.name for participant in due])
            for participant in due:
                _attempt(participant, _take_turn, results)
    return results


def _attempt(
    participant: _Participant,
    work: Callable[[Campaign], CampaignRecord | None],
    results: dict[Path, RecordOrError],
) -> bool:
    """Lets a campaign do something; returns False if it has ended, with its result kept."""
    try:
        result: RecordOrError | None = work(participant.campaign)
    except TrainingInterruptedError:
        raise
    except (GreenkdError, OSError, RuntimeError) as error:
        result = error
    if result is None:
        return True

    participant.campaign.close()
    results[participant.folder.resolve()] = result
    return False


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


def draw_blocks(turns: Sequence[int], seed: int) -> list[list[int]]:
    """Draws which campaign has a turn in which block, and in which order.

    Args:
        turns: How many turns each campaign needs.
        seed: The same seed draws the same blocks.

    Returns:
        As many blocks as the largest number of turns; each holds the positions of campaigns, in order.
    """
    generator = random.Random(f"greenkd/{seed}/blocks")
    length = max(turns, default=0)

    blocks: list[list[int]] = [[] for _ in range(length)]
    for campaign, count in enumerate(turns):
        for number in generator.sample(range(length), count):
            blocks[number].append(campaign)

    for block in blocks:
        generator.shuffle(block)
    return blocks
