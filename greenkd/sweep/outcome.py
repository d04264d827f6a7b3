"""How a campaign that breaks off is told, and what exit code follows from it."""

import logging

from greenkd.errors import GreenkdError, TeacherFailedError
from greenkd.sweep.exit_codes import ExitCode
from greenkd.sweep.failed_writes import in_words

log = logging.getLogger("greenkd")


def tell_failure(error: Exception) -> tuple[ExitCode, str]:
    """Logs what a campaign broke off by; the others of the sweep are run all the same.

    Args:
        error: Anything but an interruption.

    Returns:
        The exit code, and how it ended in words.
    """
    if isinstance(error, TeacherFailedError):
        log.error("%s", error)
        return ExitCode.TRIALS_FAILED, "failed"
    if isinstance(error, GreenkdError | OSError):
        log.error("%s", in_words(error))  # without a traceback: it is the user's mistake, or the disk's
        return ExitCode.REFUSED, "refused"

    log.error("this campaign broke off for a reason nobody foresaw; please report it", exc_info=error)
    return ExitCode.UNFORESEEN, "broken off"
