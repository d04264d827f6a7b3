"""Stamps of either precision are compared as text."""

from datetime import UTC, datetime

from greenkd.records.timestamps import now, to_seconds


def test_stamps_are_utc_in_the_asked_precision() -> None:
    before = datetime.now(UTC)
    stamp = datetime.fromisoformat(now("milliseconds"))
    assert stamp.tzinfo == UTC
    assert abs((stamp - before).total_seconds()) < 60
    assert "." not in now()


def test_what_happens_in_the_same_second_counts_as_since_then() -> None:
    since = to_seconds("2026-01-31T12:00:05+00:00")
    assert since == "2026-01-31T12:00:05"
    assert since <= "2026-01-31T12:00:05.001+00:00"
    assert since <= "2026-01-31T12:00:05+00:00"
    assert not since <= "2026-01-31T12:00:04.999+00:00"
