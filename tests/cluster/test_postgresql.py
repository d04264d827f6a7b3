"""Studies in a PostgreSQL server that goes away, or does not let us in."""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import optuna
import psutil
import pytest
import sqlalchemy

from greenkd.errors import DatabaseLostError
from greenkd.locks.file_system import locality, mount_of
from greenkd.records import EpochRow, LedgerRow, Phase, TrialRow, read_rows
from greenkd.temperature.database import open_database, open_engine
from greenkd.temperature.storage import check_shared_database
from tests.cluster.commands import GRID, output_of, results, start
from tests.cluster.conftest import PASSWORD, PostgreSQL
from tests.commands import Command

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SHARED = "storage=${oc.env:GREENKD_STORAGE}"
# `python -m greenkd worker` with a shorter time of silence, on a machine of any name whose folders cannot lock files.
WORKER = """
import errno, fcntl, functools, sys
from greenkd.campaign import locks
from greenkd.locks import owner
from greenkd.__main__ import main
def refuse(*_):
    raise OSError(errno.ENOLCK, "No locks available")
fcntl.flock = refuse
owner.this_host = lambda: sys.argv[1]
locks.DatabaseLocks = functools.partial(locks.DatabaseLocks, takeover_s=4.0, beat_s=0.5)
sys.exit(main(["worker", "multirun/default"]))
"""


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign whose study lies in its folder."""
    folder = tmp_path_factory.mktemp("local")
    output_of(start(folder, *GRID))
    return folder


def test_a_restart_of_the_server_costs_a_pause_and_no_password_is_written(
    postgresql: PostgreSQL, local: Path, tmp_path: Path
) -> None:
    campaign = start(tmp_path, *GRID, SHARED, GREENKD_STORAGE=postgresql.url())
    deadline = time.monotonic() + 120
    while not list(tmp_path.rglob("trials.jsonl")):
        assert campaign.poll() is None, output_of(campaign)
        assert time.monotonic() < deadline
        time.sleep(0.05)

    postgresql.stop()
    time.sleep(3)
    postgresql.start()
    output = output_of(campaign)
    assert "waiting up to 5 min" in output
    assert results(tmp_path) == results(local)

    # Nothing that anybody could read holds the password, in any spelling.
    spellings = [PASSWORD, postgresql.url().partition("greenkd:")[2].partition("@")[0]]
    written = [output, *(file.read_bytes().decode(errors="replace") for file in tmp_path.rglob("*") if file.is_file())]
    assert not [text for text in written if any(spelling in text for spelling in spellings)]

    (name,) = optuna.get_all_study_names(open_database(postgresql.url()))
    assert name.startswith("default/digits/small_cnn-tiny_cnn/kd/grid/seed0-")


def test_a_database_that_lets_nobody_in_is_refused_before_anything_is_trained(
    postgresql: PostgreSQL, tmp_path: Path
) -> None:
    output = output_of(start(tmp_path, *GRID, SHARED, GREENKD_STORAGE=postgresql.url(password="wrong")), code=2)
    assert "password authentication failed" in output
    assert "Traceback" not in output
    assert not (tmp_path / "cache").exists()

    for url, said in (
        (postgresql.url(database="nothing"), '"nothing" does not exist'),
        (postgresql.url().replace(f":{postgresql.port}/", ":1/"), "refused"),
    ):
        with pytest.raises(DatabaseLostError, match=said) as refused:
            check_shared_database(url)
        assert "p%40ss" not in str(refused.value)


@pytest.fixture
def workers(postgresql: PostgreSQL, tmp_path: Path) -> Iterator[list[Command]]:
    """Two workers of one campaign, each of which takes the other to be on another machine."""
    words = {"GREENKD_STORAGE": postgresql.url()}
    output_of(start(tmp_path, "submit", "--print", *GRID, SHARED, "sweep=default", program=("-m", "greenkd"), **words))
    started = [start(tmp_path, host, program=("-c", WORKER), **words) for host in ("node1/0a1b2c3d", "node2/1b2c3d4e")]
    yield started
    for worker in started:
        worker.kill()
        worker.wait()


def kill_in_a_trial(worker: Command, postgresql: PostgreSQL, folder: Path) -> int:
    """Kills a worker when it has trained a part of a trial, and returns the trial's number."""
    leases = sqlalchemy.text("SELECT name FROM greenkd_leases WHERE pid = :pid AND name LIKE '%/trial_%'")
    process, deadline = psutil.Process(worker.pid), time.monotonic() + 200
    while time.monotonic() < deadline:
        process.suspend()  # so that what is read here holds
        (campaign,) = folder.glob("multirun/*/*/*/*/*/seed*")
        begun = {row.trial for row in read_rows(campaign / "epochs.jsonl", EpochRow).rows}
        begun -= {row.trial for row in read_rows(campaign / "trials.jsonl", TrialRow).rows}
        if begun:
            with open_engine(postgresql.url()).connect() as connection:
                held = [int(name.rpartition("_")[2]) for (name,) in connection.execute(leases, {"pid": worker.pid})]
            if begun & set(held):
                worker.kill()
                return (begun & set(held)).pop()
        process.resume()
        time.sleep(0.05)
    raise AssertionError("the worker was never in the middle of a trial")


@pytest.mark.nightly
def test_a_worker_that_is_killed_leaves_its_trial_to_one_of_another_machine(
    postgresql: PostgreSQL, local: Path, tmp_path: Path, workers: list[Command]
) -> None:
    killed, other = workers
    trial = kill_in_a_trial(killed, postgresql, tmp_path)
    output = output_of(other)
    assert "Traceback" not in output
    assert f"process {killed.pid} on node1/0a1b2c3d is dead" in output
    assert results(tmp_path) == results(local)

    # Both attempts are on record; the teacher was trained once.
    (campaign,) = tmp_path.glob("multirun/*/*/*/*/*/seed*")
    attempts = {row.attempt for row in read_rows(campaign / "epochs.jsonl", EpochRow).rows if row.trial == trial}
    assert attempts == {0, 1}

    def taught(folder: Path) -> int:
        (teacher,) = folder.glob("cache/teachers/*/ledger.jsonl")
        return sum(row.images for row in read_rows(teacher, LedgerRow).rows if row.phase is Phase.TEACHER_TRAINING)

    assert taught(tmp_path) == taught(local)


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Two mounts of one folder, as of two machines: neither sees the other's locks."""
    if shutil.which("bindfs") is None or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs bindfs (Debian: apt-get install bindfs) and /dev/fuse")
    shared, first, second = (tmp_path / name for name in ("shared", "first", "second"))
    for folder in (shared, first, second):
        folder.mkdir()
    with ExitStack() as stack:
        for mount in (first, second):
            if subprocess.run(["bindfs", shared, mount], check=False).returncode:
                pytest.skip("bindfs cannot mount here")
            stack.callback(subprocess.run, ["fusermount", "-u", mount], check=False)
        yield first, second


@pytest.mark.nightly
def test_workers_on_two_mounts_that_share_no_lock_leave_what_one_command_leaves(
    postgresql: PostgreSQL, local: Path, mounts: tuple[Path, Path]
) -> None:
    with (mounts[0] / "file").open("w") as one, (mounts[1] / "file").open("w") as other:
        for file in (one, other):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # both have it
    mount = mount_of(mounts[1])
    assert mount is not None
    assert "hold on this machine alone" in (locality(mount) or "")

    words = {"GREENKD_STORAGE": postgresql.url()}
    plan = ("submit", "--print", *GRID, SHARED, "sweep=default")
    output_of(start(mounts[0], *plan, program=("-m", "greenkd"), **words))
    workers = [start(mount, "worker", "multirun/default", program=("-m", "greenkd"), **words) for mount in mounts]
    outputs = [output_of(worker) for worker in workers]
    assert not [output for output in outputs if "Traceback" in output or "hold on this machine alone" in output]
    assert results(mounts[0]) == results(local)
    assert len(list(mounts[0].glob("multirun/*/*/*/*/*/seed*/trials*.jsonl"))) == 2  # of each worker
