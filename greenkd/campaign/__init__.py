"""One campaign: checked settings in, trials, choice and test, campaign.json out."""
