"""Campaigns whose students see images made from the teacher: what they share, pay, choose by, and refuse."""

from pathlib import Path

import pytest
import torch

from greenkd.campaign.campaign import run_campaign
from greenkd.campaign.console import Reporter
from greenkd.campaign.reading import read_settings
from greenkd.errors import ConfigError, DataError
from greenkd.identity import campaign_folder, campaign_id
from greenkd.models import tiny_cnn
from greenkd.records import CampaignStatus, LedgerRow, Phase, choose_trial, read_rows, sum_costs
from greenkd.synthesis.pool import Pool, load_pool
from greenkd.training.network_weights import load_network
from greenkd.training.safetensors_io import load_tensors
from greenkd.training.stop_signals import StopFlag
from tests.campaigns import Campaign, StopAfter, composed, settings

FAST = (
    "transfer=fast",
    "transfer.images=200",
    "transfer.held_out=60",
    "transfer.batch_size=64",
    "transfer.steps=2",
    "transfer.width=4",
    "objective=kd_alone",
)
GRID = ("temperature=grid", "temperature.taus=[1,16]")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("transfer")


@pytest.fixture(scope="module")
def grid(root: Path) -> Campaign:
    return Campaign(root, *FAST, *GRID)


@pytest.fixture(scope="module")
def fixed(root: Path, grid: Campaign) -> Campaign:
    return Campaign(root, *FAST, "temperature=fixed")


def pool_of(campaign: Campaign) -> Pool:
    assert campaign.record.pool is not None
    pool = load_pool(campaign.settings.cache_dir / "pools" / campaign.record.pool.key)
    assert pool is not None
    return pool


def outcome(campaign: Campaign) -> object:
    rows = {(row.trial, row.epoch, row.train_loss, row.val_loss, row.val_score) for row in campaign.epochs}
    weights, _ = load_tensors(campaign.folder / "student.safetensors")
    bits = {name: tensor.numpy().tobytes() for name, tensor in weights.items()}
    return campaign.record.status, campaign.record.chosen_trial, campaign.record.tests, sorted(rows), bits


def test_strategies_share_one_pool_and_each_is_charged_it(root: Path, grid: Campaign, fixed: Campaign) -> None:
    assert grid.record.status is fixed.record.status is CampaignStatus.DONE
    (ledger,) = root.glob("cache/pools/*/ledger.jsonl")
    spent = sum_costs(read_rows(ledger, LedgerRow).rows)
    for campaign in (grid, fixed):
        costs = campaign.record.synthesis_costs
        assert costs is not None
        assert costs.flops == spent.flops
        assert costs.energy_kwh == pytest.approx(spent.energy_kwh)
    assert grid.record.synthesis_paid == grid.record.synthesis_costs
    assert fixed.record.synthesis_paid is None, "another has paid"

    own = read_rows(fixed.folder / "ledger.jsonl", LedgerRow).rows
    assert Phase.SYNTHESIS not in {row.phase for row in own}
    assert sum(row.images for row in own if row.phase is Phase.STUDENT_TRAINING) == 2 * 200


def test_every_trial_is_seen_by_both_selections_after_the_choice(grid: Campaign) -> None:
    rows = {row.trial: row for row in grid.trials}
    for test in grid.record.tests:
        assert test.selections is not None
        assert test.selections["validation"].score == rows[test.trial].val_score
        assert test.selections["validation"].loss == pytest.approx(rows[test.trial].val_loss)


def test_agreement_chooses_on_held_out_synthetic_images(root: Path, grid: Campaign) -> None:
    agreed = Campaign(root, *FAST, *GRID, "selection=agreement")
    assert agreed.record.pool == grid.record.pool
    assert agreed.record.campaign_id != grid.record.campaign_id
    chosen = choose_trial(agreed.trials)
    assert chosen is not None
    assert agreed.record.chosen_trial == chosen.trial

    # The same trainings; the score is the share of held-out images that the student calls what the teacher does.
    for ours, theirs in zip(agreed.record.tests, grid.record.tests, strict=True):
        assert ours == theirs
    options = {"mean": 0.3050, "std": 0.3756}
    student = tiny_cnn(10, 1, 8, agreed.settings.student.mapping["width"])
    weights, _ = load_tensors(agreed.folder / "student.safetensors")
    load_network(student, weights, "student")
    held_out = pool_of(agreed).held_out
    with torch.no_grad():
        logits = student.eval()((held_out.images / 255 - options["mean"]) / options["std"])
    assert chosen.val_score == (logits.argmax(1) == held_out.labels).float().mean().item()


@pytest.mark.parametrize(
    "how",
    [
        ("training.bank=false",),
        ("training.parallel_mode=lockstep", "training.parallel_trials=2"),
        pytest.param(
            ("training.parallel_mode=processes", "training.parallel_trials=2", "threads=1"), marks=pytest.mark.nightly
        ),
    ],
    ids=["without bank", "lockstep", "processes"],
)
def test_however_it_is_run_it_is_the_same(how: tuple[str, ...], grid: Campaign, tmp_path: Path) -> None:
    assert outcome(Campaign(tmp_path, *FAST, *GRID, *how)) == outcome(grid)


@pytest.mark.parametrize("questions", [14, 18, 25])
def test_stopped_anywhere_it_goes_on_to_the_same_end(questions: int, grid: Campaign, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="stopped by SIGTERM"):
        Campaign(tmp_path, *FAST, *GRID, stop=StopAfter(questions))
    assert outcome(Campaign(tmp_path, *FAST, *GRID)) == outcome(grid)


def test_a_budget_stops_the_synthesis_and_a_larger_one_goes_on(grid: Campaign, tmp_path: Path) -> None:
    (trained,) = grid.settings.cache_dir.glob("teachers/*/ledger.jsonl")
    before = sum(row.flops or 0.0 for row in read_rows(trained, LedgerRow).rows if row.phase is Phase.TEACHER_TRAINING)
    assert grid.record.synthesis_costs is not None
    assert grid.record.synthesis_costs.flops is not None
    half = f"budget.gflops={(before + grid.record.synthesis_costs.flops / 2) / 1e9}"

    stopped = Campaign(tmp_path, *FAST, *GRID, half)
    assert stopped.record.budget_stopped
    assert stopped.record.message == "stopped by budget after 0 of 2"
    assert not list(tmp_path.glob("cache/pools/*/pool.json"))
    assert outcome(Campaign(tmp_path, *FAST, *GRID, "budget.gflops=1000")) == outcome(grid)


def test_logits_are_of_the_pool_they_were_computed_on(root: Path, fixed: Campaign, tmp_path: Path) -> None:
    other = (*FAST, "temperature=fixed", "transfer.seed=1")
    beside = Campaign(root, *other)
    assert outcome(beside) != outcome(fixed)
    assert outcome(beside) == outcome(Campaign(tmp_path, *other, "training.bank=false"))


def test_a_larger_teacher_of_the_same_name_is_another_pool(root: Path, grid: Campaign) -> None:
    other = Campaign(root, *FAST, "temperature=fixed", "teacher.width=6")
    assert other.record.pool is not None
    assert grid.record.pool is not None
    assert other.record.pool.key != grid.record.pool.key


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("transfer=fast", "objective=dml"), "has no teacher"),
        (("transfer=noise", "objective=none", "temperature=fixed"), "has no teacher"),
        (("selection=agreement",), "needs images beside the data set's"),
        (("transfer=real", "+transfer.images=5"), "takes no settings"),
        (("transfer=fast", "transfer.bn_weight=-1"), "transfer.bn_weight"),
        (("transfer=unlabelled", "transfer.loader=greenkd.data.load_cifar1"), "near: load_cifar10"),
        (("transfer=unlabelled", "+transfer.arguments.rot=1"), "did you mean transfer.arguments.root"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_does_not_go_together_is_refused(overrides: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        settings(tmp_path, *overrides)


def test_a_teacher_without_batch_norm_is_refused_before_it_is_trained(tmp_path: Path) -> None:
    plain = (f"teacher._target_={__name__}.plain_network", "temperature=fixed")
    with pytest.raises(ConfigError, match=r"has no batch norm with running statistics.*transfer=unlabelled or noise"):
        Campaign(tmp_path, *FAST, *plain)
    assert not (tmp_path / "cache" / "teachers").exists()


def test_another_data_set_that_is_missing_is_named_before_a_teacher_is_trained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"give transfer\.arguments\.root="):
        Campaign(tmp_path, "transfer=unlabelled", "temperature=fixed", f"data_dir={tmp_path}")
    assert not (tmp_path / "cache" / "teachers").exists()


def test_detection_is_refused_before_a_teacher_is_trained(tmp_path: Path) -> None:
    small = ("dataset.train_scenes=40", "dataset.test_scenes=20", "student=tiny_ssd", "teacher=small_ssd")
    config = composed("dataset=digit_scenes", "transfer=noise", "temperature=fixed", "energy=simulated", *small)
    own = read_settings(config | {"cache_dir": str(tmp_path / "cache")})
    with pytest.raises(ConfigError, match="images are made for classes, and dataset=digit_scenes is for detection"):
        run_campaign(own, tmp_path / "campaign", StopFlag(), Reporter())
    assert not (tmp_path / "cache" / "teachers").exists()


def plain_network(num_classes: int, in_channels: int, image_size: int, width: int = 1) -> torch.nn.Module:
    """A teacher without batch norm."""
    pixels = in_channels * image_size**2
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(pixels, num_classes))


def test_ids_of_real_images_are_what_they_were() -> None:
    config = composed()
    earlier = {key: value for key, value in config.items() if key not in ("transfer", "selection")}
    assert campaign_id(config) == campaign_id(earlier)
    assert campaign_folder(config) == campaign_folder(earlier)
    fast = composed("transfer=fast")
    assert campaign_id(fast) != campaign_id(config)
    assert campaign_folder(fast).parts[0] == "digits+fast"
    here, there = composed("transfer=unlabelled", "data_dir=/here"), composed("transfer=unlabelled", "data_dir=/there")
    assert campaign_id(here) == campaign_id(there)
