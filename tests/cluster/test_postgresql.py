"""Studies in a PostgreSQL server that goes away, or does not let us in."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from greenkd.errors import DatabaseLostError
from greenkd.temperature.database import open_database
from greenkd.temperature.storage import check_shared_database
from tests.cluster.conftest import PASSWORD, PostgreSQL

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
GRID = (
    "temperature=grid",
    "temperature.taus=[1,2,4,8,16]",
    "energy=simulated",
    "training.epochs=3",
    "training.teacher.epochs=1",
    "training.batch_size=64",
    "student.width=4",
)
SHARED = "storage=${oc.env:GREENKD_STORAGE}"


def start(folder: Path, *words: str, url: str = "") -> subprocess.Popen[str]:
    """Types `python run.py …` in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GREENKD_STORAGE": url, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), *GRID, *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def output_of(process: subprocess.Popen[str], code: int = 0) -> str:
    output, _ = process.communicate(timeout=240)
    assert process.returncode == code, output
    return output


def results(folder: Path) -> dict[int, tuple[object, ...]]:
    """Returns what each trial's row says that depends on no clock."""
    (file,) = folder.glob("multirun/*/*/*/*/*/seed*/trials.jsonl")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return {
        row["trial"]: (row["status"], row["params"], row["val_score"], row["val_loss"], row["flops"]) for row in rows
    }


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign whose study lies in its folder."""
    folder = tmp_path_factory.mktemp("local")
    output_of(start(folder))
    return folder


def test_a_restart_of_the_server_costs_a_pause_and_no_password_is_written(
    postgresql: PostgreSQL, local: Path, tmp_path: Path
) -> None:
    campaign = start(tmp_path, SHARED, url=postgresql.url())
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
    output = output_of(start(tmp_path, SHARED, url=postgresql.url(password="wrong")), code=2)
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
