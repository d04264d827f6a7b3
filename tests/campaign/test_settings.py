"""Settings: the composed configuration with types."""

import dataclasses
import pickle

from greenkd.campaign.reading import read_settings
from greenkd.identity import campaign_id
from tests.campaigns import composed


def test_groups_and_root_have_their_types() -> None:
    settings = read_settings(composed("temperature=grid", "sweep=2024", "device=cpu", "order=interleaved"))
    assert settings.sweep == "2024"
    assert settings.device == "cpu"
    assert settings.order == "interleaved"
    assert settings.interleaving.calibration_steps == 40
    assert settings.temperature.name == "grid"
    assert settings.training.recipe.epochs == 12
    assert settings.network("student").mapping["_target_"] == "greenkd.models.tiny_cnn"
    assert "name" not in settings.objective.without_name()


def test_a_smoke_run_keeps_the_ids_of_what_it_stands_for() -> None:
    config = composed("temperature=grid", "smoke=true")
    settings = read_settings(config)
    assert settings.strategy.planned_trials() == 2
    assert settings.training.recipe.epochs == 2
    assert settings.campaign_id == campaign_id(config)
    assert settings.campaign_id != campaign_id(settings.config)


def test_a_worker_gets_them_whole() -> None:
    settings = read_settings(composed("temperature=optuna"))
    copy = pickle.loads(pickle.dumps(dataclasses.replace(settings, device="cuda:1")))
    assert copy.device == "cuda:1"
    assert copy.campaign_id == settings.campaign_id
    assert copy.config == settings.config
    assert copy.strategy.planned_trials() == settings.strategy.planned_trials()
