"""Tidy frames of a sweep: campaigns, trials, epochs and ledger, read from its records."""
