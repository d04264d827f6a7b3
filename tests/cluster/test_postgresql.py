"""Studies in a PostgreSQL server that goes away, or does not let us in."""

import time
from pathlib import Path

import optuna
import pytest

from greenkd.errors import DatabaseLostError
from greenkd.temperature.database import open_database
from greenkd.temperature.storage import check_shared_database
from tests.cluster.commands import GRID, output_of, results, start
from tests.cluster.conftest import PASSWORD, PostgreSQL

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SHARED = "storage=${oc.env:GREENKD_STORAGE}"


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
