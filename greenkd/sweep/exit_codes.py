"""Exit codes: what a script can act on when a command has ended."""

from enum import IntEnum

from greenkd import stops


class ExitCode(IntEnum):
    """How a command has ended; docs/reliability.md says what to do about each."""

    DONE = 0
    UNFORESEEN = 1  # a bug, with its traceback; also Hydra's own code for a command line it cannot compose
    REFUSED = 2
    TRIALS_FAILED = 3  # or a budget stopped some
    INTERRUPTED = stops.INTERRUPTED


# From the mildest to the gravest.
_GRAVITY = (ExitCode.DONE, ExitCode.TRIALS_FAILED, ExitCode.REFUSED, ExitCode.UNFORESEEN, ExitCode.INTERRUPTED)


def graver(first: ExitCode, second: ExitCode) -> ExitCode:
    """Returns the graver of two: one process runs several campaigns, and ends with one code."""
    return max(first, second, key=_GRAVITY.index)
