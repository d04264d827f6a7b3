"""Campaigns that take turns, trial by trial, in random blocks: what drifts in the machine then hits all strategies.

A block gives a turn to each campaign that is due, in random order. A campaign with fewer trials than another has its
turns in randomly drawn blocks, so that one training is not always the first. Before each block the machine is idle for
a while, and then makes some fixed training steps, whose CPU seconds say whether it has become slower or faster.
"""

import contextlib
import dataclasses
import itertools
import random
from collections.abc import Generator, Sequence
from pathlib import Path

from greenkd.campaign import campaign_in_turns
from greenkd.campaign.console import Reporter
from greenkd.campaign.progress import read_state
from greenkd.campaign.settings import Settings
from greenkd.errors import GreenkdError, TrainingInterruptedError
from greenkd.identity import sweep_folder
from greenkd.records import CampaignRecord
from greenkd.sweep.machine import Machine
from greenkd.training.stop_signals import StopFlag

# A campaign's record, or why it could not go on.
RecordOrError = CampaignRecord | Exception


@dataclasses.dataclass
class _Running:
    """A campaign between two of its turns."""

    name: str
    folder: Path
    turns: Generator[None, None, CampaignRecord]
    due: int  # trials still to be run


def take_turns(campaigns: Sequence[tuple[Settings, Path]], stop: StopFlag) -> dict[Path, RecordOrError]:
    """Runs campaigns of one sweep to their ends.

    Args:
        campaigns: Settings and folder of each.
        stop: Asked between steps.

    Returns:
        By resolved folder: the campaign's record, or why it could not go on; the others were run all the same.

    Raises:
        TrainingInterruptedError: A stop was asked for.
    """
    first_settings, first_folder = campaigns[0]
    results: dict[Path, RecordOrError] = {}
    with contextlib.ExitStack() as stack:
        # What comes before a campaign's first trial, its teacher included.
        running: list[_Running] = []
        for settings, folder in campaigns:
            state = read_state(settings, folder)
            turns = campaign_in_turns(settings, folder, stop, Reporter())
            stack.callback(turns.close)
            name = f"{settings.temperature.name} seed {settings.seed}"
            running += _advance(_Running(name, folder, turns, state.planned - state.over), results)

        if not running:
            return results
        machine = Machine(first_settings, sweep_folder(first_folder), stop)

        # Turns that nobody foresaw (a trial whose weights were lost) come in further blocks, all together.
        drawn = draw_blocks([campaign.due for campaign in running], first_settings.seed)
        foreseen = [[running[position] for position in block] for block in drawn]
        for number, block in enumerate(itertools.chain(foreseen, itertools.repeat(running))):
            if len(results) == len(campaigns):
                break

            due = [campaign for campaign in block if campaign.folder.resolve() not in results]
            if due:
                machine.check(number, [campaign.name for campaign in due])
            for campaign in due:
                _advance(campaign, results)
    return results


def _advance(campaign: _Running, results: dict[Path, RecordOrError]) -> list[_Running]:
    """Gives a campaign one turn; returns it if it wants another."""
    try:
        next(campaign.turns)
    except StopIteration as end:
        results[campaign.folder.resolve()] = end.value
        return []
    except TrainingInterruptedError:
        raise
    except (GreenkdError, OSError, RuntimeError) as error:
        results[campaign.folder.resolve()] = error
        return []
    return [campaign]


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
