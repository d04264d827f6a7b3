"""One campaign: checked settings in, trials, choice and test, campaign.json out."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenkd.campaign.campaign import campaign_in_turns, run_campaign, run_worker
    from greenkd.campaign.data import open_bench
    from greenkd.campaign.teacher import stream_key
    from greenkd.campaign.workers.fork_server import start_fork_server

__all__ = ["campaign_in_turns", "open_bench", "run_campaign", "run_worker", "start_fork_server", "stream_key"]

_PLACES = {
    "campaign_in_turns": "campaign",
    "run_worker": "campaign",
    "start_fork_server": "workers.fork_server",
    "open_bench": "data",
    "run_campaign": "campaign",
    "stream_key": "teacher",
}


def __getattr__(name: str) -> object:
    # A helper process opens its energy monitor before it imports torch, which stands on its bill then.
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
