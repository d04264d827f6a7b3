"""Plans of campaigns: what a worker reads is the campaign that was composed, and no password is in it."""

import json
from pathlib import Path

import pytest
from omegaconf import DictConfig

from greenkd.campaign.reading import read_settings
from greenkd.errors import ConfigError
from greenkd.identity import campaign_folder, plain
from greenkd.records.timestamps import now
from greenkd.sweep.job import as_job
from greenkd.sweep.plan import planned_folders, read_plan, write_plan
from tests.campaigns import compose_job


def planned(sweep: Path, config: DictConfig) -> Path:
    folder = sweep / campaign_folder(plain(config))
    folder.mkdir(parents=True, exist_ok=True)
    write_plan(as_job(config), read_settings(plain(config)), folder)
    return folder


@pytest.mark.parametrize("overrides", [("smoke=true",), ("temperature=grid", "temperature.taus=[2,4]", "seed=3")])
def test_a_plan_is_the_campaign_that_was_composed(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    config = compose_job(*overrides)
    folder = planned(tmp_path, config)
    plan = read_plan(folder)
    assert plan.settings.campaign_id == folder.name.partition("-")[2]
    assert plan.settings.config == read_settings(plain(config)).config


def test_places_and_passwords_are_read_where_the_worker_runs_but_what_is_trained_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENKD_STORAGE", "postgresql://user:secret@host/name")
    monkeypatch.setenv("MY_SEED", "5")
    monkeypatch.setenv("GREENKD_CACHE", "/here/cache")
    folder = planned(tmp_path, compose_job("storage=${oc.env:GREENKD_STORAGE}", "seed=${oc.env:MY_SEED}"))
    assert "secret" not in (folder / "plan.json").read_text()

    monkeypatch.setenv("GREENKD_STORAGE", "postgresql://user:other@host/name")
    monkeypatch.setenv("MY_SEED", "6")
    monkeypatch.setenv("GREENKD_CACHE", "/there/cache")
    settings = read_plan(folder).settings
    assert settings.storage == "postgresql://user:other@host/name"
    assert settings.cache_dir == Path("/there/cache")
    assert settings.seed == 5


def test_the_same_again_changes_nothing_and_another_budget_does(tmp_path: Path) -> None:
    folder = planned(tmp_path, compose_job())
    first = (folder / "plan.json").read_bytes()
    planned(tmp_path, compose_job())
    assert (folder / "plan.json").read_bytes() == first
    assert planned(tmp_path, compose_job("budget.kwh=1")) == folder
    assert read_plan(folder).settings.budget.kwh == 1
    assert read_plan(folder).planned_at <= now("milliseconds")


def test_seeds_are_the_outer_order_and_a_removed_folder_is_out_of_the_plan(tmp_path: Path) -> None:
    for seed in (10, 9):
        for strategy in ("stochastic", "fixed"):
            planned(tmp_path, compose_job(f"seed={seed}", f"temperature={strategy}"))
    folders = planned_folders(tmp_path)
    assert [(folder.parent.name, folder.name.partition("-")[0]) for folder in folders] == [
        ("fixed", "seed9"), ("stochastic", "seed9"), ("fixed", "seed10"), ("stochastic", "seed10"),
    ]  # fmt: skip
    (folders[0] / "plan.json").unlink()
    assert planned_folders(tmp_path) == folders[1:]


def test_a_plan_that_is_damaged_or_means_another_campaign_is_refused(tmp_path: Path) -> None:
    file = planned(tmp_path, compose_job()) / "plan.json"
    content = json.loads(file.read_text())
    content["config"]["seed"] = 1
    for text, said in ((json.dumps(content), "another campaign"), ("{", "damaged")):
        file.write_text(text)
        with pytest.raises(ConfigError, match=said):
            read_plan(file.parent)
