"""Commands of the developers."""
