"""Restarts: the same training under other seeds; restart 0 is the fixed control."""

from pathlib import Path
from typing import Any

import pytest

import analysis
from greenkd.errors import ConfigError, TrainingInterruptedError
from greenkd.records import CampaignStatus, LedgerRow, Phase, StrategyKind, TrialStatus, read_rows
from greenkd.streams import stream_seed
from greenkd.training.safetensors_io import load_tensors
from tests.campaigns import Campaign, StopAfter, settings

RESTARTS = ("temperature=restarts", "temperature.restarts=3")


def results(campaign: Campaign) -> dict[int, tuple[Any, ...]]:
    """What a trial's training came to; losses tell one training from another to the last bit."""
    done = [row for row in campaign.trials if row.status is TrialStatus.COMPLETE]
    return {row.trial: (row.params, row.val_score, row.val_loss, row.train_loss) for row in done}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("restarts")


@pytest.fixture(scope="module")
def restarts(root: Path) -> Campaign:
    return Campaign(root, *RESTARTS)


def test_restart_0_is_the_fixed_control_and_the_others_differ(root: Path, restarts: Campaign) -> None:
    fixed = Campaign(root, "temperature=fixed")
    trained = results(restarts)

    assert [params for params, *_ in trained.values()] == [{"tau": 4.0, "restart": restart} for restart in range(3)]
    assert trained[0][1:] == results(fixed)[0][1:]
    assert restarts.record.tests[0] == fixed.record.tests[0]
    assert len({losses for *_, losses in trained.values()}) == 3
    assert len({val_loss for _, _, val_loss, _ in trained.values()}) == 3
    assert restarts.record.kind is StrategyKind.RESTARTS


def test_the_best_by_validation_is_chosen(restarts: Campaign) -> None:
    best = max(results(restarts).items(), key=lambda item: (item[1][1], -item[1][2], -item[0]))
    assert restarts.record.chosen_trial == best[0]
    assert restarts.record.chosen_params == {"tau": 4.0, "restart": best[0]}
    assert restarts.record.test_score == restarts.record.tests[best[0]].score


def test_a_restart_is_the_training_of_its_derived_seed(tmp_path: Path, restarts: Campaign) -> None:
    """The same weights come out of a fixed training whose campaign has that seed."""
    other = Campaign(tmp_path, "temperature=fixed", f"seed={stream_seed(0, 'restart', 1)}")
    assert results(other)[0][1:] == results(restarts)[1][1:]


@pytest.mark.parametrize(
    "how",
    [
        ("training.bank=false",),
        ("training.parallel_mode=lockstep", "training.parallel_trials=3"),
        ("training.parallel_mode=lockstep", "training.parallel_trials=3", "training.bank=false"),
        pytest.param(("training.parallel_trials=2",), marks=pytest.mark.nightly),
    ],
    ids=["no bank", "lockstep", "lockstep without bank", "workers"],
)
def test_where_and_how_they_are_trained_changes_no_bit(
    tmp_path: Path, restarts: Campaign, how: tuple[str, ...]
) -> None:
    other = Campaign(tmp_path, *RESTARTS, *how)
    assert results(other) == results(restarts)
    assert other.record.tests == restarts.record.tests
    weights, expected = (load_tensors(campaign.folder / "student.safetensors")[0] for campaign in (other, restarts))
    assert all((weights[name] == expected[name]).all() for name in expected)


def test_every_restart_is_charged_the_logits_of_its_own_batches(tmp_path: Path, restarts: Campaign) -> None:
    fixed = Campaign(tmp_path, "temperature=fixed")
    once, thrice = fixed.record.logits_costs, restarts.record.logits_costs
    assert once is not None
    assert thrice is not None
    assert thrice.flops == 3 * (once.flops or 0)

    # What live teachers do in the students' own steps comes to the same.
    live = Campaign(tmp_path, *RESTARTS, "training.bank=false")
    rows = {campaign: read_rows(campaign.folder / "ledger.jsonl", LedgerRow).rows for campaign in (live, restarts)}
    steps = {
        campaign: sum(row.flops or 0 for row in rows[campaign] if row.phase is Phase.STUDENT_TRAINING)
        for campaign in rows
    }
    assert steps[live] == pytest.approx(steps[restarts] + (thrice.flops or 0), rel=1e-12)


@pytest.mark.parametrize("how", [(), ("training.parallel_mode=lockstep", "training.parallel_trials=3")])
def test_a_stop_in_the_second_restart_changes_nothing(tmp_path: Path, restarts: Campaign, how: tuple[str, ...]) -> None:
    with pytest.raises(TrainingInterruptedError):
        Campaign(tmp_path, *RESTARTS, *how, stop=StopAfter(60))
    resumed = Campaign(tmp_path, *RESTARTS, *how)
    assert {row.trial for row in resumed.trials if row.status is TrialStatus.INTERRUPTED}
    assert resumed.record.status is CampaignStatus.DONE
    assert results(resumed) == results(restarts)
    assert resumed.record.tests == restarts.record.tests


def test_it_is_analysed_beside_a_grid(root: Path, restarts: Campaign) -> None:
    Campaign(root, "temperature=grid", "temperature.taus=[2,4,8]")
    Campaign(root, "temperature=stochastic")
    sweep = analysis.load(root / "multirun")
    table = analysis.compare(sweep).table
    assert {"restarts", "grid", "stochastic"} <= set(table["strategy"])


def test_restarts_are_no_search_over_a_temperature_that_is_not_there(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, *RESTARTS, "objective=none")
    assert len({row.train_loss for row in campaign.trials}) == 3
    with pytest.raises(ConfigError, match="has no temperature"):
        settings(tmp_path, "temperature=grid", "objective=none")


@pytest.mark.parametrize(("key", "value"), [("restarts", 0), ("tau", -1), ("restarts", "x")])
def test_mistakes_are_named(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"temperature.{key}"):
        settings(tmp_path, "temperature=restarts", f"temperature.{key}={value}")
