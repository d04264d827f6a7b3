"""Why a campaign was broken off, as its record tells the next command and a launcher's."""

import contextlib
from pathlib import Path

from greenkd.campaign.folder import CampaignFolder
from greenkd.campaign.settings import Settings
from greenkd.errors import GreenkdError, TeacherFailedError, TrainingInterruptedError


def record_refusal(path: Path, settings: Settings, error: Exception) -> None:
    """Puts on record what a campaign was broken off by, unless a stop was asked for.

    Args:
        path: The campaign's folder, which may be another campaign's, and is then left as it is.
        settings: The campaign's.
        error: A refusal, or what nobody foresaw.
    """
    if isinstance(error, TrainingInterruptedError):
        return

    message = " ".join(str(error).split())
    if not isinstance(error, GreenkdError):
        message = f"{type(error).__name__}: {message}"
    by = "refusal" if isinstance(error, GreenkdError | OSError) else "unforeseen"
    if isinstance(error, TeacherFailedError):
        by = "teacher"
    with contextlib.suppress(GreenkdError, OSError):  # the folder may be what it was refused for
        CampaignFolder(path, settings).refuse(message, by)
