"""Which jobs a launcher is given."""

from collections.abc import Sequence
from typing import Any

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.plugins import Plugins

from greenkd.sweep.launching import compose_no_job_to_try, leave_out_jobs


class Records:
    """In a launcher's place: takes down what it is to start."""

    started: list[list[str]]

    def __init__(self) -> None:
        self.started = []

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[str]:
        self.started += [list(words) for words in job_overrides]
        return [" ".join(words) for words in job_overrides]


@pytest.fixture
def classes(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    classes: dict[str, Any] = {"records": Records}
    monkeypatch.setattr(Plugins.instance(), "class_name_to_class", classes)
    return classes


def test_done_jobs_are_not_started_and_every_job_has_a_result(classes: dict[str, Any]) -> None:
    leave_out_jobs("records", [True, False, False, True])
    launcher = classes["records"]()
    first = launcher.launch([["a"], ["b"]], 0)
    second = launcher.launch([["c"], ["d"]], 2)  # hydra.sweeper.max_batch_size=2
    assert launcher.started == [["b"], ["c"]]
    assert [first[1], second[0]] == ["b", "c"]
    assert [first[0].return_value, second[1].return_value] == ["done already"] * 2


def test_a_launcher_with_nothing_to_start_is_not_asked(classes: dict[str, Any]) -> None:
    leave_out_jobs("records", [True])
    launcher = classes["records"]()
    assert [result.return_value for result in launcher.launch([["a"]], 0)] == ["done already"]
    assert launcher.started == []


def test_a_launcher_stays_as_it_is_where_all_jobs_are_to_be_started(classes: dict[str, Any]) -> None:
    leave_out_jobs("records", [False])
    assert classes["records"] is Records


def test_a_sweeper_composes_no_job_to_try_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sweeper:
        """Stands where Hydra's own does."""

        def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
            raise AssertionError(f"{batch} was composed")

    assert hasattr(BasicSweeper, "validate_batch_is_legal")  # Hydra's name of it
    monkeypatch.setattr(Plugins.instance(), "class_name_to_class", {"sweeper": Sweeper})
    compose_no_job_to_try("sweeper")
    Sweeper().validate_batch_is_legal([["seed=0"]])
