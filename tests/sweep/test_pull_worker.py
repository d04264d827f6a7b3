"""Where workers begin, and what they are refused."""

from pathlib import Path

import pytest

from greenkd.errors import ConfigError
from greenkd.sweep.pull_worker import PullWorker
from tests.campaigns import compose_job
from tests.sweep.test_plan import planned


def test_workers_of_an_array_begin_at_different_campaigns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = {planned(tmp_path, compose_job(f"seed={seed}", "smoke=true")) for seed in range(3)}
    begun = []
    for number in range(4):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(number))
        plan = PullWorker(tmp_path, "greenkd worker")._next_with_free_work()
        assert plan is not None
        begun.append(plan.folder)
    assert set(begun[:3]) == folders
    assert begun[3] == begun[0]


def test_one_worker_takes_campaigns_in_turn_and_leaves_what_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    folders = [planned(tmp_path, compose_job(f"seed={seed}", "smoke=true")) for seed in range(3)]
    (folders[1] / "plan.json").write_text("{")
    worker = PullWorker(tmp_path, "greenkd worker")
    taken = [worker._next_with_free_work() for _ in range(3)]
    assert [plan.folder for plan in taken if plan is not None] == [folders[0], folders[2], folders[0]]
    assert caplog.text.count("is damaged") == 1


def test_a_folder_without_plans_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such folder"):
        PullWorker(tmp_path / "nothing", "greenkd worker")
    with pytest.raises(ConfigError, match="holds no planned campaign"):
        PullWorker(tmp_path, "greenkd worker")
