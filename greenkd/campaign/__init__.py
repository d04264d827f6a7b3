"""One campaign: checked settings in, trials, choice and test, campaign.json out."""

from greenkd.campaign.flow import campaign_in_turns, help_campaign, run_campaign
from greenkd.campaign.teaching import stream_key
from greenkd.campaign.workbench import open_bench

__all__ = ["campaign_in_turns", "help_campaign", "open_bench", "run_campaign", "stream_key"]
