"""Leases in a PostgreSQL server: one holder at a time, for as long as it lives, whatever machines' clocks say."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy

from greenkd.leases import DatabaseLocks
from greenkd.locks import owner
from greenkd.temperature.database import open_engine
from tests.cluster.conftest import PostgreSQL
from tests.commands import Command, environment_of

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

QUICK = {"takeover_s": 3.0, "beat_s": 0.5}
HOLD = """
import sys, time
from pathlib import Path
from greenkd.leases import DatabaseLocks
locks = DatabaseLocks(sys.argv[1], takeover_s=3.0, beat_s=0.5)
lock = locks.lock(Path("unused"), sys.argv[2])
assert lock.acquire(0)
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def locks(postgresql: PostgreSQL) -> DatabaseLocks:
    return DatabaseLocks(postgresql.url(), **QUICK)


@pytest.fixture
def holder(postgresql: PostgreSQL, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Command]:
    """Another process that holds a lease named as the test."""
    process = Command(postgresql.url(), request.node.name, program=("-c", HOLD), cwd=tmp_path)
    while process.output.read_text() != "held\n":
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    yield process
    process.kill()
    process.wait()


def taken_after(locks: DatabaseLocks, name: str, within_s: float) -> float | None:
    """Returns the seconds until a lease is to be had; None if it is not within some."""
    lock, began_s = locks.lock(Path("unused"), name), time.monotonic()
    if not lock.acquire(within_s):
        return None
    lock.release()
    return time.monotonic() - began_s


def set_(postgresql: PostgreSQL, name: str, change: str) -> None:
    with open_engine(postgresql.url()).begin() as connection:
        done = connection.execute(
            sqlalchemy.text(f"UPDATE greenkd_leases SET {change} WHERE name = :name"), {"name": name}
        )
        assert done.rowcount == 1


def test_one_of_many_has_it_and_the_next_one_when_it_is_given_back(
    locks: DatabaseLocks, postgresql: PostgreSQL
) -> None:
    everybody = [locks, *(DatabaseLocks(postgresql.url(), **QUICK) for _ in range(3))]
    taken = [each.lock(Path("unused"), "many") for each in everybody for _ in range(2)]
    begin, won = threading.Barrier(len(taken)), []

    def take(number: int) -> None:
        begin.wait()
        if taken[number].acquire(0):
            won.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(len(taken))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    taken[won[0]].release()
    assert taken_after(locks, "many", 0) is not None


def test_a_living_holder_keeps_it_for_longer_than_the_time_of_silence(
    locks: DatabaseLocks, holder: Command, request: pytest.FixtureRequest
) -> None:
    assert taken_after(locks, request.node.name, 3 * QUICK["takeover_s"]) is None
    assert holder.poll() is None


def test_what_a_killed_process_of_this_machine_held_is_free_at_once(
    locks: DatabaseLocks, postgresql: PostgreSQL, request: pytest.FixtureRequest
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, postgresql.url(), request.node.name],
        env=environment_of({}),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"

    holder.kill()  # nobody has waited for it: what is left of it is in the table of processes
    waited_s = taken_after(locks, request.node.name, 30)
    assert waited_s is not None
    assert waited_s < QUICK["takeover_s"]
    holder.wait()


def test_what_a_killed_process_of_another_machine_held_is_free_after_the_stated_time(
    locks: DatabaseLocks, holder: Command, request: pytest.FixtureRequest, postgresql: PostgreSQL
) -> None:
    set_(postgresql, request.node.name, "host = 'node7/0a1b2c3d'")
    holder.kill()
    waited_s = taken_after(locks, request.node.name, 30)
    assert waited_s is not None
    assert waited_s > QUICK["takeover_s"] - QUICK["beat_s"] - 0.1


@pytest.mark.nightly
def test_a_machine_whose_clock_is_wrong_takes_nothing_from_a_living_holder(
    locks: DatabaseLocks, holder: Command, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = time.time() + 86400
    monkeypatch.setattr(time, "time", lambda: wrong)
    assert taken_after(locks, request.node.name, 2 * QUICK["takeover_s"]) is None


def test_the_first_to_come_back_after_an_outage_takes_nothing_from_a_living_holder(
    locks: DatabaseLocks, holder: Command, request: pytest.FixtureRequest, postgresql: PostgreSQL
) -> None:
    name = request.node.name
    assert taken_after(locks, name, 1.5) is None
    postgresql.stop()
    time.sleep(1.5 * QUICK["takeover_s"])
    postgresql.start()
    assert taken_after(locks, name, 2 * QUICK["takeover_s"]) is None
    assert holder.poll() is None


def test_a_holder_that_was_stopped_for_too_long_gives_back_nothing_that_is_anothers(
    locks: DatabaseLocks, postgresql: PostgreSQL
) -> None:
    stopped = locks.lock(Path("unused"), "stopped")
    assert stopped.acquire(0)
    set_(postgresql, "stopped", "token = 'another'")
    stopped.release()
    assert taken_after(locks, "stopped", 0) is None


def test_processes_are_told_apart_by_their_start() -> None:
    this = owner.this_owner()
    assert not owner.has_died(this)
    assert owner.has_died(this._replace(started="1"))
    assert not owner.has_died(this._replace(started="1", host="node7/0a1b2c3d"))
    assert not owner.has_died(this._replace(started="1", namespace="pid:[1]"))
