"""In which order the campaigns of one command run: one after the other, or in turns, seed after seed.

What drifts in a machine (its clock, its neighbours, the process's memory) would be charged to whichever strategy ran
at that time; the campaigns listed first were charged a third more CPU seconds for equal trainings. So the seeds are the
outer loop, and within a seed the strategies take turns, trial by trial, in random blocks: a block gives a turn to each
campaign that is due, in random order, and a campaign with fewer trials than another has its turns in randomly drawn
blocks. What is drawn depends on the seed and on the campaigns' ids, not on their places in the command line.
"""

import itertools
import random
from collections.abc import Sequence
from pathlib import Path

from greenkd.campaign.listing import shortened
from greenkd.campaign.progress import CampaignState
from greenkd.campaign.settings import Settings

_LINES = 40  # that are shown of an order

PlannedCampaigns = Sequence[tuple[Settings, Path]]
"""Settings and folder of each campaign of a command."""


def groups_in_turns(campaigns: PlannedCampaigns) -> list[list[tuple[Settings, Path]]]:
    """Groups the campaigns that take turns with each other.

    With `order=interleaved` these are all campaigns of a seed. With `order=auto` they are the strategies of a seed and
    setting, if there are several, and if no campaign runs trials side by side, for campaigns in turns run one at a
    time.

    Returns:
        The groups in the order in which they run, seeds outermost; empty where the campaigns run one after the other.
    """
    orders = {settings.order for settings, _ in campaigns}
    if not campaigns or "sequential" in orders:
        return []

    in_turns = "interleaved" in orders
    if not in_turns and any(settings.training.parallel_trials != 1 for settings, _ in campaigns):
        return []

    by_seed: dict[int, dict[str, list[tuple[Settings, Path]]]] = {}
    for settings, folder in campaigns:
        key = "" if in_turns else settings.setting_id
        by_seed.setdefault(settings.seed, {}).setdefault(key, []).append((settings, folder))

    groups = [
        sorted(group, key=lambda campaign: campaign[0].campaign_id)
        for settings_of_seed in by_seed.values()
        for group in settings_of_seed.values()
    ]
    return groups if in_turns or max(map(len, groups)) > 1 else []


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


def describe_order(campaigns: PlannedCampaigns, states: Sequence[CampaignState]) -> str | None:
    """Returns which trials will run in which order, a line for each group; None where no campaigns take turns.

    Args:
        campaigns: Of the command.
        states: How far each is.
    """
    groups = groups_in_turns(campaigns)
    if not groups:
        return None

    due = {folder: state.turns for (_, folder), state in zip(campaigns, states, strict=True)}
    several_settings = len({settings.setting_id for settings, _ in campaigns}) > 1
    lines = []
    for group in groups:
        blocks = draw_blocks([due[folder] for _, folder in group], group[0][0].seed)
        names = [_name(group[position][0], several_settings) for block in blocks for position in block]
        turns = [(name, len(list(repeats))) for name, repeats in itertools.groupby(names)]
        shown = ", ".join(name if count == 1 else f"{name} × {count}" for name, count in turns)
        lines.append(f"  seed {group[0][0].seed}: {shown or 'nothing to train'}")
    heading = "order: seed after seed, the campaigns of a line in turns, one trial at a time"
    return "\n".join([heading, *shortened(lines, _LINES, "lines")])


def _name(settings: Settings, with_setting: bool) -> str:
    """Returns a campaign's strategy, with data set, networks and objective where these differ within the command."""
    strategy = settings.temperature.name
    if not with_setting:
        return strategy
    return (
        f"{strategy} ({settings.dataset.name} {settings.teacher.name} → {settings.student.name} "
        f"{settings.objective.name})"
    )
