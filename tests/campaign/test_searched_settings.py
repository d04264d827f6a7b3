"""Searches over more than τ: what a trial trains with, the same however it is run, and what is refused."""

from pathlib import Path

import pytest
import torch

from greenkd.campaign.progress import read_state
from greenkd.campaign.reading import read_settings
from greenkd.errors import ConfigError, NoTemperatureError, TrainingInterruptedError
from greenkd.identity import campaign_id
from greenkd.records import TrialStatus
from greenkd.training.safetensors_io import load_tensors
from tests.campaigns import Campaign, StopAfter, composed, settings

GRID = ("temperature=grid", "temperature.taus=[2]")
SEARCH = "temperature.search={training.lr: [0.05, 0.1], objective.alpha: [0.5, 0.9]}"
ANOTHER_WAY = ("training.bank=false", "training.parallel_mode=lockstep", "training.parallel_trials=3", "threads=1")


def results(campaign: Campaign) -> tuple[object, ...]:
    """What has to be equal to the last bit."""
    weights, _ = load_tensors(campaign.folder / "student.safetensors")
    epochs = {(row.trial, row.epoch): (row.lr, row.train_loss, row.val_loss) for row in campaign.epochs}
    bits = {name: tensor.reshape(-1).view(torch.uint8).tolist() for name, tensor in weights.items()}
    return epochs, campaign.record.tests, campaign.record.chosen_params, bits


def refusal(*overrides: str) -> str:
    with pytest.raises(ConfigError) as refused:
        read_settings(composed(*overrides))
    return str(refused.value)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return Campaign(tmp_path_factory.mktemp("whole"), *GRID, SEARCH, "threads=1")


def test_every_combination_is_a_trial_and_the_combination_is_chosen(whole: Campaign) -> None:
    params = {row.trial: row.params for row in whole.trials}
    assert params == {
        number: {"tau": 2.0, "objective.alpha": alpha, "training.lr": lr}
        for number, (alpha, lr) in enumerate(((0.5, 0.05), (0.5, 0.1), (0.9, 0.05), (0.9, 0.1)))
    }
    assert whole.record.planned_trials == 4
    assert read_state(whole.settings, whole.folder).labels[0] == "grid τ × objective.alpha × training.lr"
    assert len(list((whole.settings.cache_dir / "logits").iterdir())) == 1  # one bank for all combinations
    assert whole.record.searched == {"objective.alpha": 0.9, "training.lr": 0.1}  # as the configuration has them

    best = max(whole.trials, key=lambda row: (row.val_score or 0.0, -(row.val_loss or 0.0), -row.trial))
    assert whole.record.chosen_params == best.params


def test_a_trial_is_the_campaign_that_names_its_values(whole: Campaign, tmp_path: Path) -> None:
    alone = Campaign(
        tmp_path,
        "temperature=fixed",
        "temperature.tau=2",
        "objective.alpha=0.5",
        "training.lr=0.05",
        "training.teacher.lr=0.1",  # the teacher of the search has the configuration's own rate
        "threads=1",
    )
    assert alone.record.teacher_result
    assert whole.record.teacher_result
    assert alone.record.teacher_result.key == whole.record.teacher_result.key

    assert [row.val_loss for row in alone.trials] == [whole.trials[_place(whole, 0)].val_loss]
    assert [row.lr for row in alone.epochs] == [row.lr for row in whole.epochs if row.trial == 0]
    assert alone.record.tests[0] == whole.record.tests[0]


@pytest.mark.nightly
def test_it_is_the_same_however_it_is_run(whole: Campaign, tmp_path: Path) -> None:
    # The teacher asked at every step, trials in lockstep
    assert results(Campaign(tmp_path / "another", *GRID, SEARCH, *ANOTHER_WAY)) == results(whole)

    # Trials side by side, in processes
    beside = ("training.parallel_trials=2", "training.parallel_mode=processes", "threads=1")
    assert results(Campaign(tmp_path / "beside", *GRID, SEARCH, *beside)) == results(whole)

    # Stopped amid an epoch, and gone on from the checkpoint
    with pytest.raises(TrainingInterruptedError):
        Campaign(tmp_path / "stopped", *GRID, SEARCH, "threads=1", stop=StopAfter(40))
    resumed = Campaign(tmp_path / "stopped", *GRID, SEARCH, "threads=1")
    assert any(row.status is TrialStatus.INTERRUPTED for row in resumed.trials)
    assert results(resumed) == results(whole)


def test_optuna_proposes_combinations_and_a_search_of_the_same_seed_repeats_them(tmp_path: Path) -> None:
    search = (
        "temperature=optuna",
        "temperature.n_trials=3",
        'temperature.search={training.lr: "log(0.01, 0.2)", training.nesterov: [true, false]}',
    )
    first = Campaign(tmp_path / "first", *search)
    for row in first.trials:
        assert 0.01 <= float(row.params["training.lr"]) <= 0.2
        assert row.params["training.nesterov"] in (True, False)
    assert len({row.params["training.lr"] for row in first.trials}) == 3

    with pytest.raises(TrainingInterruptedError):
        Campaign(tmp_path / "stopped", *search, stop=StopAfter(30))
    assert results(Campaign(tmp_path / "stopped", *search)) == results(first)


def test_the_setting_of_a_rule_reaches_the_trials_rule(tmp_path: Path) -> None:
    rule = "temperature.rule={name: standardised, factor: base}"
    search = "temperature.search={temperature.rule.factor: [base, teacher]}"
    searched = Campaign(tmp_path / "searched", *GRID, rule, search, "threads=1")
    alone = Campaign(tmp_path / "alone", *GRID, "temperature.rule={name: standardised, factor: teacher}", "threads=1")

    losses = {row.params["temperature.rule.factor"]: row.val_loss for row in searched.trials}
    assert losses["teacher"] == alone.trials[0].val_loss
    assert losses["base"] != losses["teacher"]


def test_the_notation_and_the_order_of_keys_do_not_change_a_campaign() -> None:
    flat = composed(*GRID, SEARCH)
    turned = composed(*GRID, "temperature.search={objective.alpha: [0.5, 0.9], training.lr: [0.05, 0.1]}")
    nested = composed(*GRID, "temperature.search={training: {lr: [0.05, 0.1]}, objective: {alpha: [0.5, 0.9]}}")
    assert campaign_id(flat) == campaign_id(turned) == campaign_id(nested)
    assert read_settings(nested).strategy.queue() == read_settings(flat).strategy.queue()

    without = composed(*GRID)
    assert without["temperature"]["search"] is None
    before = {**without, "temperature": {k: v for k, v in without["temperature"].items() if k != "search"}}
    assert campaign_id(without) == campaign_id(before) != campaign_id(flat)


@pytest.mark.parametrize(
    ("search", "words"),
    [
        (
            "{objective.alpha: [0.5]}",
            "objective.alpha=[0.5]: is no search; list two values or more, or give objective.alpha=0.5",
        ),
        ("{objective.alpa: [0.5]}", "objective.alpa is not a setting; did you mean"),
        ("{dataset.split_seed: [1, 2]}", "dataset.split_seed is not searched: it changes the data"),
        ("{training.teacher.lr: [0.1, 0.2]}", "training.teacher.lr is not searched: it changes the teacher"),
        ("{training.batch_size: [16, 32]}", "changes the batches and the teacher's logits"),
        ("{training.epochs: [2, 4]}", "trainings of other lengths"),
        ("{student.width: [4, 8]}", "changes the network that is trained"),
        ("{seed: [1, 2]}", "choosing a seed tunes nothing"),
        ("{tau: [1, 2]}", "such as temperature.taus"),
        ("{device: [cpu, cuda]}", "no result depends on it"),
        ("{objective.taus: [1, 2]}", "it is no single number or word"),
        ("{objective.alpha: [0.5, 1.5]}", "objective.alpha=1.5: should be less than or equal to 1"),
        ('{training.warmup_epochs: "range(-1, 2)"}', "training.warmup_epochs=-1"),
        ("{training.momentum: [0, 0.9]}", "nesterov=true needs momentum > 0 (tried with training.momentum=0)"),
        ('{objective.alpha: "interval(0.5, 0.9)"}', "a grid has no intervals"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_the_reason(search: str, words: str) -> None:
    assert words in refusal("temperature=grid", f"temperature.search={search}")


def test_both_ends_and_the_inside_of_an_interval_are_tried() -> None:
    search = 'temperature.search={objective.alpha: "interval(0.5, 1.5)"}'
    assert "objective.alpha=1.5" in refusal("temperature=optuna", search)
    search = 'temperature.search={training.warmup_epochs: "interval(0, 2)"}'
    assert "fractional part" in refusal("temperature=optuna", search)


def test_without_a_temperature_only_the_other_settings_can_be_searched() -> None:
    search = "temperature.search={training.lr: [0.05, 0.1]}"
    with pytest.raises(NoTemperatureError, match=r"for every τ; take temperature=grid temperature.taus=\[4\]"):
        read_settings(composed("objective=none", "temperature=grid", search))
    assert read_settings(composed("objective=none", *GRID, search)).strategy.planned_trials() == 2


def test_a_smoke_run_keeps_two_values_of_each(tmp_path: Path) -> None:
    search = 'temperature.search={objective.alpha: [0.1, 0.5, 0.9], training.warmup_epochs: "range(0, 3)"}'
    queue = settings(tmp_path, "smoke=true", "temperature=grid", search).strategy.queue()
    assert len(queue) == 8
    assert {params["objective.alpha"] for params in queue} == {0.1, 0.5}


def _place(campaign: Campaign, trial: int) -> int:
    return [row.trial for row in campaign.trials].index(trial)
