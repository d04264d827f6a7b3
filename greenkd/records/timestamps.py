"""Time stamps of the records: ISO 8601 in UTC, to the second or to the millisecond."""

from datetime import UTC, datetime
from typing import Literal

# Characters of a time stamp up to its seconds: 2026-01-31T12:00:00.
_TO_SECONDS = 19


def now(precision: Literal["seconds", "milliseconds"] = "seconds") -> str:
    """Returns the present time."""
    return datetime.now(UTC).isoformat(timespec=precision)


def to_seconds(stamp: str) -> str:
    """Cuts a time stamp off behind its seconds.

    Stamps are compared as text. One that is cut off comes before all stamps of the same second, whatever their
    precision, so that `stamp >= to_seconds(since)` holds for everything from that second on.
    """
    return stamp[:_TO_SECONDS]
