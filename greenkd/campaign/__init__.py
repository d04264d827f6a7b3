"""One campaign: checked settings in, trials, choice and test, campaign.json out."""

from greenkd.campaign.flow import campaign_in_turns, help_campaign, run_campaign, stream_key

__all__ = ["campaign_in_turns", "help_campaign", "run_campaign", "stream_key"]
