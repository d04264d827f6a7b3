"""One campaign: checked settings in, trials, choice and test, campaign.json out."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenkd.campaign.flow import campaign_in_turns, help_campaign, run_campaign
    from greenkd.campaign.spare import keep_spare
    from greenkd.campaign.teaching import stream_key
    from greenkd.campaign.workbench import open_bench

__all__ = ["campaign_in_turns", "help_campaign", "keep_spare", "open_bench", "run_campaign", "stream_key"]

_PLACES = {
    "campaign_in_turns": "flow",
    "help_campaign": "flow",
    "keep_spare": "spare",
    "open_bench": "workbench",
    "run_campaign": "flow",
    "stream_key": "teaching",
}


def __getattr__(name: str) -> object:
    # A helper process opens its energy book before it imports torch, which stands on its bill then.
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
