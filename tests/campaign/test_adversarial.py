"""The adversarial mode: images that come within a trial, with an eye on its student."""

from pathlib import Path

import pytest

from greenkd.errors import ConfigError, TrainingInterruptedError
from greenkd.records import CampaignStatus, LedgerRow, Phase, read_rows
from greenkd.training.safetensors_io import load_tensors
from tests.campaign.test_transfer import FAST, GRID, outcome
from tests.campaigns import Campaign, StopAfter, settings

ADVERSARIAL = (*FAST, "transfer.adversarial=1", "training.epochs=3")
STEPS, BATCH, EPOCHS, IMAGES = 2, 64, 3, 200
CMI = (
    "transfer=cmi",
    "transfer.images=200",
    "transfer.held_out=60",
    "transfer.batch_size=64",
    "transfer.steps=2",
    "transfer.width=4",
    "transfer.negatives=50",
    "transfer.adversarial=0.5",
    "objective=kd_alone",
    "training.epochs=3",
)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return Campaign(tmp_path_factory.mktemp("adversarial"), *ADVERSARIAL, *GRID)


def rows(campaign: Campaign, phase: Phase) -> list[LedgerRow]:
    ledger = read_rows(campaign.folder / "ledger.jsonl", LedgerRow).rows
    return [row for row in ledger if row.phase is phase]


def test_each_trial_pays_for_the_images_it_makes(grid: Campaign) -> None:
    assert grid.record.status is CampaignStatus.DONE
    made = rows(grid, Phase.SYNTHESIS)
    for trial in (0, 1):
        of_trial = [row for row in made if row.trial == trial]
        assert sum(row.images for row in of_trial) == EPOCHS * (STEPS * BATCH + BATCH), "every step, and the labels"
        (row,) = [row for row in grid.trials if row.trial == trial]
        trained = [row for row in rows(grid, Phase.STUDENT_TRAINING) if row.trial == trial]
        assert sum(each.images for each in trained) == EPOCHS * IMAGES, "as many images an epoch as the pool has"
        assert row.flops is not None
        assert row.flops > sum(each.flops or 0.0 for each in (*of_trial, *trained)) > 0
    assert grid.record.logits_costs is None, "there is no bank"


def test_the_pool_is_the_one_that_is_made_without_it(grid: Campaign, tmp_path: Path) -> None:
    plain = settings(tmp_path, *FAST)
    assert plain.build_transfer() != grid.settings.build_transfer()
    static = Campaign(tmp_path, *FAST, *GRID)
    assert static.record.pool is not None
    assert grid.record.pool is not None
    assert static.record.pool.key == grid.record.pool.key
    assert outcome(static) != outcome(grid)


# Into the pool's synthesis and the teacher's training, the images before an epoch, its steps, and between both.
@pytest.mark.parametrize(
    "questions", [20, 22, 24, *(pytest.param(at, marks=pytest.mark.nightly) for at in (21, 23, 29, 34))]
)
def test_stopped_anywhere_it_goes_on_to_the_same_end(questions: int, grid: Campaign, tmp_path: Path) -> None:
    with pytest.raises(TrainingInterruptedError):
        Campaign(tmp_path, *ADVERSARIAL, *GRID, stop=StopAfter(questions))
    assert outcome(Campaign(tmp_path, *ADVERSARIAL, *GRID)) == outcome(grid)


def test_generator_head_bank_and_images_are_in_the_checkpoint(tmp_path: Path) -> None:
    whole = Campaign(tmp_path / "whole", *CMI, "temperature=fixed")
    with pytest.raises(TrainingInterruptedError):
        Campaign(tmp_path / "broken", *CMI, "temperature=fixed", stop=StopAfter(35))
    (path,) = (tmp_path / "broken").rglob("checkpoint.safetensors")
    kept = {name for name in load_tensors(path)[0] if name.startswith("growth.")}
    assert {
        "growth.images",
        "growth.labels",
        "growth.rounds",
        "growth.maker.bank",
        "growth.maker.head.0.weight",
    } <= kept
    assert outcome(Campaign(tmp_path / "broken", *CMI, "temperature=fixed")) == outcome(whole)


def test_side_by_side_in_processes_it_is_the_same(grid: Campaign, tmp_path: Path) -> None:
    side_by_side = ("training.parallel_mode=processes", "training.parallel_trials=2", "threads=1")
    assert outcome(Campaign(tmp_path, *ADVERSARIAL, *GRID, *side_by_side)) == outcome(grid)


def test_what_cannot_share_images_is_refused(tmp_path: Path) -> None:
    lockstep = ("training.parallel_mode=lockstep", "training.parallel_trials=2")
    with pytest.raises(ConfigError, match="every trial sees images of its own"):
        Campaign(tmp_path, *ADVERSARIAL, *GRID, *lockstep)
    assert not (tmp_path / "cache" / "teachers").exists()
    with pytest.raises(ConfigError, match="objective=crd remembers every image"):
        settings(tmp_path, "transfer=fast", "transfer.adversarial=1", "objective=crd")
