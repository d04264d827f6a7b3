"""One campaign from configuration to records: honesty of the choice, shared randomness, resume, identity."""

import json
import math
import time
from pathlib import Path

import pytest
import torch

from greenkd.campaign.campaign import run_campaign
from greenkd.campaign.console import Reporter
from greenkd.errors import ConfigError
from greenkd.identity import campaign_id, setting_id
from greenkd.records import SCHEMA_VERSION, CampaignStatus, LedgerRow, Phase, TrialStatus, read_rows
from greenkd.temperature import RandomPerBatch
from greenkd.training.safetensors_io import load_tensors
from greenkd.training.stop_signals import StopFlag
from tests.campaigns import Campaign, StopAfter, composed


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return Campaign(tmp_path_factory.mktemp("campaigns"), "temperature=grid", "temperature.taus=[2,4,16]")


@pytest.fixture(scope="module")
def root(grid: Campaign) -> Path:
    """Where the grid ran: whichever tests this process is given, it came first and has paid for the teacher."""
    return grid.settings.cache_dir.parent


def test_the_best_validation_accuracy_is_chosen_and_tested_once(grid: Campaign) -> None:
    record = grid.record
    assert record.status is CampaignStatus.DONE
    assert {row.trial: row.params["tau"] for row in grid.trials} == {0: 2, 1: 4, 2: 16}
    best = max(grid.trials, key=lambda row: (row.val_score, -(row.val_loss or 0)))
    assert record.chosen_trial == best.trial
    assert record.val_score == best.val_score
    tests = {test.trial: test.score for test in record.tests}
    assert tests.keys() == {0, 1, 2}
    assert record.test_score == tests[best.trial]
    tested = [row for row in read_rows(grid.folder / "ledger.jsonl", LedgerRow).rows if row.phase is Phase.TEST]
    assert sum(row.images for row in tested) == 3 * 359


def test_the_score_is_that_of_the_last_epoch(grid: Campaign) -> None:
    for row in grid.trials:
        last = [epoch for epoch in grid.epochs if epoch.trial == row.trial][-1]
        assert last.epoch == 1
        assert (row.val_score, row.val_loss, row.train_loss) == (
            last.val_score,
            last.val_loss,
            last.train_loss,
        )


def test_the_kept_student_scores_what_the_record_says(grid: Campaign) -> None:
    from greenkd.data import load
    from greenkd.models import tiny_cnn
    from greenkd.tasks import CLASSIFICATION

    options, dataset = load(grid.settings.dataset.mapping)
    network = tiny_cnn(num_classes=10, in_channels=1, image_size=8, width=4)
    network.load_state_dict(load_tensors(grid.folder / "student.safetensors")[0])
    evaluate = CLASSIFICATION.evaluator(dataset.test, options.mean, options.std, torch.device("cpu"))
    assert evaluate(network, grid.settings.training.recipe).value == grid.record.test_score
    assert not (grid.folder / "trials").exists()


def test_same_seed_same_bits(grid: Campaign, tmp_path: Path) -> None:
    again = Campaign(tmp_path, "temperature=grid", "temperature.taus=[2,4,16]")
    assert [row.train_loss for row in again.epochs] == [row.train_loss for row in grid.epochs]
    first, _ = load_tensors(grid.folder / "student.safetensors")
    second, _ = load_tensors(again.folder / "student.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_seed_other_numbers(grid: Campaign, root: Path) -> None:
    other = Campaign(root, "temperature=fixed", "temperature.tau=2", "seed=1")
    assert other.epochs[0].train_loss != grid.epochs[0].train_loss
    assert other.record.teacher_result is not None
    assert grid.record.teacher_result is not None
    assert other.record.teacher_result.key == grid.record.teacher_result.key, "seeds share one teacher"


def test_trials_share_initial_weights_order_and_views(grid: Campaign, root: Path) -> None:
    # A fixed campaign at τ = 2 is the grid's first trial, and its third trial differs from it by τ alone.
    fixed = Campaign(root, "temperature=fixed", "temperature.tau=2")
    own = [row for row in grid.epochs if row.trial == 0]
    assert [row.train_loss for row in fixed.epochs] == [row.train_loss for row in own]
    assert fixed.record.test_score == grid.record.tests[0].score


def test_without_soft_targets_tau_changes_nothing(root: Path) -> None:
    # With α = 0 the loss is plain cross-entropy, so a difference between two τ could only come from other randomness.
    runs = [Campaign(root, "temperature=fixed", f"temperature.tau={tau}", "objective.alpha=0") for tau in (2, 16)]
    assert [row.train_loss for row in runs[0].epochs] == [row.train_loss for row in runs[1].epochs]


def test_every_drawn_tau_can_be_recomputed_from_seed_and_step(root: Path) -> None:
    drawn = Campaign(root, "temperature=stochastic", "seed=5")
    schedule = RandomPerBatch(low=2, high=20, distribution="uniform_int")
    assert [row.epoch for row in drawn.steps] == [0, 1]
    for row in drawn.steps:
        expected = schedule.temperatures(seed=5, epoch=row.epoch, epochs=2, steps=len(row.taus)).student
        assert list(row.taus) == expected.tolist()
        assert len(row.losses) == len(row.taus) == math.ceil((1438 - 288 + 1) / 128)


def test_one_command_twice_trains_nothing_twice(grid: Campaign, root: Path) -> None:
    before = {path: path.read_bytes() for path in grid.folder.rglob("*.jsonl")}
    again = Campaign(root, "temperature=grid", "temperature.taus=[2,4,16]")
    assert again.record == grid.record
    assert {path: path.read_bytes() for path in grid.folder.rglob("*.jsonl")} == before


def test_a_campaign_stopped_between_trials_goes_on(grid: Campaign, tmp_path: Path) -> None:
    from greenkd.training.stop_signals import TrainingInterruptedError

    overrides = ("temperature=grid", "temperature.taus=[2,4,16]")
    with pytest.raises(TrainingInterruptedError):
        Campaign(tmp_path, *overrides, stop=StopAfter(40))
    resumed = Campaign(tmp_path, *overrides)
    assert resumed.record.status is CampaignStatus.DONE
    assert TrialStatus.INTERRUPTED in {row.status for row in resumed.trials}
    final = {(row.trial, row.epoch): row.train_loss for row in resumed.epochs}
    assert final == {(row.trial, row.epoch): row.train_loss for row in grid.epochs}
    first, _ = load_tensors(grid.folder / "student.safetensors")
    second, _ = load_tensors(resumed.folder / "student.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_trial_that_diverges_is_one_failed_row_with_its_energy(tmp_path: Path) -> None:
    campaign = Campaign(
        tmp_path, "temperature=grid", "temperature.taus=[2,4]", "training.lr=1e30", "training.teacher.lr=0.1"
    )
    assert campaign.record.status is CampaignStatus.FAILED
    assert [row.status for row in campaign.trials] == [TrialStatus.FAILED] * 2
    for row in campaign.trials:
        assert "loss became" in (row.cause or "")
        assert row.energy_kwh is not None
        assert row.energy_kwh > 0


def test_the_ledger_tiles_the_campaign(grid: Campaign) -> None:
    rows = read_rows(grid.folder / "ledger.jsonl", LedgerRow).rows
    assert {Phase.STUDENT_TRAINING, Phase.VALIDATION, Phase.TEST, Phase.OVERHEAD} <= {row.phase for row in rows}
    assert {row.campaign_id for row in rows} == {grid.record.campaign_id}
    training = [row for row in rows if row.phase is Phase.STUDENT_TRAINING]
    assert sum(row.images for row in training) == 3 * 2 * (1438 - 287)
    for trial in grid.trials:
        phases = (Phase.STUDENT_TRAINING, Phase.VALIDATION)
        own = [row.energy_kwh for row in rows if row.trial == trial.trial and row.phase in phases]
        assert math.fsum(value for value in own if value is not None) == pytest.approx(trial.energy_kwh)


def test_costs_alone_do_not_depend_on_who_computed_the_logits(grid: Campaign, root: Path) -> None:
    second = Campaign(root, "temperature=fixed", "temperature.tau=3")
    assert grid.record.logits_paid is not None
    assert second.record.logits_paid is None, "the grid had computed them"
    assert second.record.logits_costs is not None
    assert grid.record.logits_costs is not None
    assert second.record.logits_costs.energy_kwh == pytest.approx(grid.record.logits_costs.energy_kwh)
    assert second.record.teacher_paid is None
    assert second.record.teacher_result is not None
    assert second.record.teacher_result.costs is not None


def test_another_sweep_with_the_same_campaign_has_not_paid_again(grid: Campaign, root: Path) -> None:
    time.sleep(1.1)  # records tell when a campaign began to the second
    folder = root / "multirun" / "again"
    again = run_campaign(grid.settings, folder, StopFlag(), Reporter())
    assert again.campaign_id == grid.record.campaign_id
    assert grid.record.teacher_paid is not None
    assert again.teacher_paid is None
    assert again.logits_paid is None
    assert again.tests == grid.record.tests


def test_records_are_plain_json(grid: Campaign) -> None:
    campaign = json.loads((grid.folder / "campaign.json").read_text())
    assert campaign["environment"]["packages"]["torch"] == torch.__version__
    assert campaign["kind"] == "grid"
    for name in ("trials", "epochs", "ledger"):
        for line in (grid.folder / f"{name}.jsonl").read_text().splitlines():
            assert json.loads(line)["schema_version"] == SCHEMA_VERSION


def test_the_folder_of_another_configuration_is_refused(grid: Campaign) -> None:
    from tests.campaigns import settings

    other = settings(grid.folder, "temperature=grid", "temperature.taus=[2,4,16]", "training.lr=0.05")
    with pytest.raises(ConfigError, match=r"training\.lr: 0\.1 then, 0\.05 now"):
        run_campaign(other, grid.folder, StopFlag(), Reporter())


def test_identity_ignores_what_cannot_change_a_result() -> None:
    base = composed()
    same = ("device=cpu", "energy=none", "cache_dir=/elsewhere", "sweep=other", "training.bank=false")
    for override in (*same, "retry=failed", "dry_run=true"):
        assert campaign_id(composed(override)) == campaign_id(base), override
    for override in ("seed=1", "training.lr=0.05", "temperature=grid", "objective.alpha=0.5", "student.width=5"):
        assert campaign_id(composed(override)) != campaign_id(base), override
    assert setting_id(composed("seed=1", "temperature=grid")) == setting_id(base)
    assert setting_id(composed("objective.alpha=0.5")) != setting_id(base)


def test_a_search_over_an_objective_without_temperature_is_refused() -> None:
    from greenkd.campaign.reading import read_settings

    with pytest.raises(ConfigError, match="has no temperature"):
        read_settings(composed("objective=none", "temperature=grid"))
