import sqlite3
from pathlib import Path

import pytest

from greenkd.errors import StorageError
from greenkd.temperature import Fixed, StrategyStudy
from greenkd.temperature.storage import describe_storage, set_aside_if_damaged


def test_a_sound_file_stays_and_a_missing_one_is_no_trouble(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    set_aside_if_damaged(file)
    with sqlite3.connect(file) as database:
        database.execute("create table numbers (value integer)")

    set_aside_if_damaged(file)
    assert [path.name for path in tmp_path.iterdir()] == ["study.db"]


def test_a_damaged_file_is_set_aside_and_what_belongs_to_it_removed(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    file.write_bytes(b"no database" * 100)
    (tmp_path / "study.db-journal").write_bytes(b"of the damaged file")

    set_aside_if_damaged(file)
    assert [path.name for path in tmp_path.iterdir()] == ["study.db.damaged"]
    assert (tmp_path / "study.db.damaged").read_bytes() == b"no database" * 100


def test_messages_name_a_database_without_its_password(tmp_path: Path) -> None:
    assert describe_storage(tmp_path / "study.db") == str(tmp_path / "study.db")
    assert describe_storage("postgresql://me:secret@host/studies") == "postgresql://me:***@host/studies"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:secret@localhost:1/studies", "driver|cannot be used"),
        ("nonsense://host/studies", "cannot be used"),
        ("no url", "is no URL"),
    ],
)
def test_a_database_that_cannot_be_used_is_named_without_its_password(url: str, said: str) -> None:
    with pytest.raises(StorageError, match=said) as refused:
        StrategyStudy(Fixed(tau=4), url, "campaign", 0, 3)
    assert "secret" not in str(refused.value)
