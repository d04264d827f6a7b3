import contextlib
import re
import sqlite3
from pathlib import Path

import pytest

from greenkd.errors import StorageError
from greenkd.temperature import Fixed, StrategyStudy
from greenkd.temperature.storage import check_shared_database, describe_storage, set_aside_if_damaged


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
    assert describe_storage("postgresql://me:secret@host/studies") == "postgresql+psycopg://me:***@host/studies"


def test_a_folder_with_an_at_sign_is_no_password(tmp_path: Path) -> None:
    (tmp_path / "me@home").mkdir()
    StrategyStudy(Fixed(tau=4), f"sqlite:///{tmp_path}/me@home/studies.db", "campaign", 0, 3)
    assert (tmp_path / "me@home" / "studies.db").exists()


@pytest.mark.parametrize("password", ["qx@kz", "qx:kz", "qx/jj:kz", "qxx@jj/kz:9", "qx%kz@"])
def test_a_password_that_is_not_encoded_is_answered_with_the_cure_and_not_repeated(password: str) -> None:
    try:
        said = describe_storage(f"postgresql://me:{password}@host/studies")
    except StorageError as refused:
        said = str(refused)
        assert "percent-encode" in said
    assert not [part for part in re.split(r"[@:/%]", password) if len(part) > 1 and part in said]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:secret@localhost:1/studies", "driver|cannot be used"),
        ("nonsense://me:secret@host/studies", "nonsense"),
        ("no url", "is no URL"),
    ],
)
def test_a_database_that_cannot_be_used_is_named_without_its_password(url: str, said: str) -> None:
    with pytest.raises(StorageError, match=said) as refused:
        StrategyStudy(Fixed(tau=4), url, "campaign", 0, 3)
    assert "secret" not in str(refused.value)


def of_another_optuna(file: Path, revision: str = "v2.6.0.a") -> None:
    """Makes a study whose tables say that another Optuna has made them, an older one by default."""
    StrategyStudy(Fixed(tau=4), file, "campaign", 0, 3)
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("update alembic_version set version_num = ?", (revision,))
        database.commit()


def test_a_file_of_another_optuna_is_built_anew(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    of_another_optuna(file)
    study = StrategyStudy(Fixed(tau=4), file, "campaign", 0, 3)
    proposal = study.propose(lambda trial: True)
    assert proposal is not None
    assert proposal.params == {"tau": 4.0}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study.db", "study.db.damaged"]


def test_a_shared_database_of_another_optuna_or_program_is_refused_as_it_is(tmp_path: Path) -> None:
    of_another_optuna(tmp_path / "old.db")
    of_another_optuna(tmp_path / "newer.db", "v99.0.0.a")
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("create table alembic_version (version_num varchar(32) not null)")
        database.execute("insert into alembic_version values ('867495a8f9d4')")
        database.commit()

    for name, said, cure in (
        ("old.db", "another version of Optuna .*v2.6.0.a", ", or bring it up to date"),
        ("newer.db", "another version of Optuna .*v99.0.0.a", ", or update Optuna here"),
        ("mlflow.db", "MLflow .*867495a8f9d4", "$"),
    ):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(StorageError, match=f"{said}.*give another database or a schema of its own{cure}"):
            StrategyStudy(Fixed(tau=4), f"sqlite:///{tmp_path / name}", "campaign", 0, 3)
        assert (tmp_path / name).read_bytes() == before


def test_an_empty_and_a_used_database_of_this_optuna_are_taken(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    for _ in range(2):
        check_shared_database(url)
        StrategyStudy(Fixed(tau=4), url, "campaign", 0, 3)
