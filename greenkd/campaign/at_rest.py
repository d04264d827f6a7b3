"""Campaigns for which nothing is left to do, of which a command may find thousands: they are not even opened."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from greenkd.campaign.progress import CampaignState
from greenkd.campaign.settings import Settings
from greenkd.campaign.threads_check import keeps_threads
from greenkd.records.manifest import FILE as MANIFEST_FILE


def is_at_rest(settings: Settings, folder: Path, state: CampaignState) -> bool:
    """Tells whether running a campaign once more would train nothing, tidy nothing, and refuse nothing.

    Args:
        settings: What is asked for now.
        folder: The campaign's.
        state: How far it is.
    """
    return (
        state.done is not None
        and state.done.campaign_id == settings.campaign_id
        and (folder / MANIFEST_FILE).exists()
        and not (folder / "trials").exists()
        and keeps_threads(folder, settings)
    )


def describe_at_rest(campaigns: Iterable[tuple[Settings, CampaignState]]) -> list[str]:
    """Returns a line for each meter by which campaigns at rest were metered, and how to meter them by another.

    Args:
        campaigns: Settings and state of each.
    """
    counts = Counter(
        (state.done.environment.meter, settings.energy.name) for settings, state in campaigns if state.done is not None
    )
    lines = []
    for (meter, asked_for), count in counts.items():
        campaigns_are = "1 campaign is" if count == 1 else f"{count} campaigns are"
        lines.append(f"{campaigns_are} done already, metered by {meter}; nothing to train")
        if differs_from(meter, asked_for):
            lines.append(f"  to meter by {asked_for} as well, give the sweep another name: sweep=<name>")
    return lines


def differs_from(meter: str, asked_for: str) -> bool:
    """Tells whether a campaign was metered by another meter than the one asked for now.

    Args:
        meter: As on record.
        asked_for: The option of `energy`.
    """
    return not meter.startswith(asked_for) and asked_for not in ("auto", "both")
