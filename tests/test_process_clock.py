"""Durations are the monotonic clock's, whatever happens to the clock on the wall; dates never run backwards."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from greenkd import process_clock
from greenkd.energy.unmetered import process_started_at, since_process_start
from greenkd.process_clock import ProcessClock, process_age_s, utc_now

EIGHT_HOURS = 8 * 3600.0


@pytest.mark.parametrize("jump_s", [EIGHT_HOURS, -3600.0])
def test_a_clock_that_is_set_or_a_machine_that_sleeps_changes_no_duration(
    monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    before, started_at = since_process_start().duration_s, process_started_at()
    wall, boot = time.time, time.clock_gettime
    monkeypatch.setattr(time, "time", lambda: wall() + jump_s)
    monkeypatch.setattr(time, "clock_gettime", lambda clock: boot(clock) + jump_s)
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: wall() - jump_s)
    assert 0 <= since_process_start().duration_s - before < 60
    assert process_started_at() == started_at


def test_a_process_knows_its_age_from_its_start_on(tmp_path: Path) -> None:
    code = "import time; time.sleep(0.5); from greenkd.process_clock import process_age_s; print(process_age_s())"
    before = time.monotonic()
    age_s = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert 0.45 < age_s <= time.monotonic() - before + 0.02


@pytest.mark.parametrize("name", ["python", "a) S 1 (b) 2 3"])
def test_the_start_is_read_from_the_clock_that_runs_while_the_machine_sleeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # The machine has slept 1,000 s before this process began, 7.5 s ago.
    ticks = os.sysconf("SC_CLK_TCK")
    monkeypatch.setattr(time, "clock_gettime", lambda _: 6000.0)
    stat = tmp_path / "stat"
    stat.write_text(f"77 ({name}) S " + "1 " * 18 + f"{int((6000 - 7.5) * ticks)} 5 6\n")
    monkeypatch.setattr(process_clock, "_STAT", stat)
    assert ProcessClock().age_s() == pytest.approx(7.5, abs=0.3)


@pytest.mark.parametrize("content", [None, "", "77 (python) S 1", "77 (python) S " + "x " * 30])
def test_where_the_system_says_nothing_a_process_counts_from_its_first_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "stat").write_text(content)
    monkeypatch.setattr(process_clock, "_STAT", tmp_path / "stat")
    assert 0 <= ProcessClock().age_s() < 0.3


def test_a_forked_process_is_younger_than_its_parent() -> None:
    age_s, (reader, writer) = process_age_s(), os.pipe()
    if os.fork() == 0:
        os.write(writer, str(process_age_s()).encode())
        os._exit(0)
    os.wait()
    assert float(os.read(reader, 100)) < min(age_s, 5.0)


def test_dates_stand_still_where_the_clock_was_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = utc_now()

    class SetBack(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) - timedelta(hours=1)

    monkeypatch.setattr(process_clock, "datetime", SetBack)
    assert first <= utc_now() < first + timedelta(minutes=1)
