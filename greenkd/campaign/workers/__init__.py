"""Processes that take trials of a campaign begun by another."""
