"""Budgets stop work between trials and between epochs, lose nothing, and a larger one goes on."""

from pathlib import Path

import pytest

from greenkd.campaign import budget
from greenkd.campaign.budget import read_budget
from greenkd.campaign.campaign import run_campaign
from greenkd.campaign.console import Reporter
from greenkd.errors import ConfigError, TrainingInterruptedError
from greenkd.identity import campaign_id
from greenkd.records import CampaignStatus, LedgerRow, Phase, TrialStatus, read_campaign, read_rows
from greenkd.training.stop_signals import StopFlag
from tests.campaigns import SHORT, Campaign, composed, settings

GRID = ("temperature=grid", "temperature.taus=[2,4,8]")


@pytest.fixture(autouse=True)
def _every_epoch_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "LOOK_EVERY_S", 0.0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return Campaign(tmp_path_factory.mktemp("whole"), *GRID)


def ledger(folder: Path) -> list[LedgerRow]:
    return read_rows(folder / "ledger.jsonl", LedgerRow).rows


def gflops(rows: list[LedgerRow], *phases: Phase) -> float:
    return sum(row.flops or 0.0 for row in rows if row.phase in phases) / 1e9


def trial_gflops(campaign: Campaign) -> float:
    return gflops(ledger(campaign.folder), Phase.STUDENT_TRAINING, Phase.VALIDATION) / 3


def fixed_gflops(campaign: Campaign) -> float:
    """Teacher's training and logits: what comes before and beside the trials."""
    record = campaign.record
    assert record.teacher_paid is not None
    assert record.logits_paid is not None
    return ((record.teacher_paid.flops or 0) + (record.logits_paid.flops or 0)) / 1e9


def test_sizes_hold_multiply_accumulates_beside_flops(whole: Campaign) -> None:
    teacher = whole.record.teacher_result
    assert teacher is not None
    for size in (whole.record.student_network, teacher.network):
        assert size is not None
        assert size.forward_macs_per_image is not None
        assert size.forward_flops_per_image == 2 * size.forward_macs_per_image > 0


def test_a_trial_that_would_cross_is_not_started(tmp_path: Path, whole: Campaign) -> None:
    limit = fixed_gflops(whole) + 2.5 * trial_gflops(whole)
    stopped = Campaign(tmp_path, *GRID, f"budget.gflops={limit}")
    record = stopped.record
    assert record.status is CampaignStatus.PARTIAL
    assert record.budget_stopped
    assert record.message == "stopped by budget after 2 of 3"
    assert [row.status for row in stopped.trials] == [TrialStatus.COMPLETE] * 2
    # Chosen and tested among the completed ones.
    best = max(stopped.trials, key=lambda row: (row.val_score or 0, -(row.val_loss or 0)))
    assert record.chosen_trial == best.trial
    assert [test.trial for test in record.tests] == [0, 1]
    assert record.test_score is not None
    recorded = gflops(ledger(stopped.folder), Phase.STUDENT_TRAINING, Phase.VALIDATION) + fixed_gflops(stopped)
    assert recorded <= limit


def test_as_many_begin_in_lockstep_as_fit(tmp_path: Path, whole: Campaign) -> None:
    limit = fixed_gflops(whole) + 5.5 * trial_gflops(whole)
    six = ("temperature=grid", "temperature.taus=[2,3,4,6,8,16]")
    lockstep = ("training.parallel_mode=lockstep", "training.parallel_trials=3")
    stopped = Campaign(tmp_path, *six, *lockstep, f"budget.gflops={limit}")
    assert stopped.record.message == "stopped by budget after 5 of 6"
    assert [row.status for row in stopped.trials] == [TrialStatus.COMPLETE] * 5


def test_the_same_command_does_nothing_and_a_larger_budget_goes_on(tmp_path: Path, whole: Campaign) -> None:
    limit = fixed_gflops(whole) + 1.5 * trial_gflops(whole)
    stopped = Campaign(tmp_path, *GRID, f"budget.gflops={limit}")
    assert stopped.record.message == "stopped by budget after 1 of 3"
    before = ledger(stopped.folder)
    again = Campaign(tmp_path, *GRID, f"budget.gflops={limit}")
    assert again.record == stopped.record
    assert ledger(again.folder) == before
    larger = Campaign(tmp_path, *GRID, f"budget.gflops={100 * limit}")
    assert larger.folder == stopped.folder
    assert larger.record.status is CampaignStatus.DONE
    assert larger.record.message is None
    assert not larger.record.budget_stopped
    assert [row.val_loss for row in larger.trials] == [row.val_loss for row in whole.trials]
    assert larger.record.tests == whole.record.tests
    assert not (larger.folder / "trials").exists()


def test_a_running_trial_stops_at_an_epochs_end_with_its_checkpoint(tmp_path: Path, whole: Campaign) -> None:
    longer = ("temperature=fixed", "training.epochs=4")
    one_epoch = trial_gflops(whole) / 2
    first = Campaign(tmp_path / "a", *longer)
    limit = fixed_gflops(first) / 2 + 2.2 * one_epoch  # two of four epochs, each with its logits
    teacher = first.record.teacher_paid
    assert teacher is not None
    limit += (teacher.flops or 0) / 2e9
    stopped = Campaign(tmp_path / "b", *longer, f"budget.gflops={limit}")
    assert stopped.record.message == "stopped by budget after 0 of 1"
    assert stopped.record.status is CampaignStatus.PARTIAL
    assert stopped.record.test_score is None
    assert [row.status for row in stopped.trials] == [TrialStatus.INTERRUPTED]
    assert stopped.trials[0].cause == "stopped by budget"
    assert [row.epoch for row in stopped.epochs] == [0, 1]
    assert (stopped.folder / "trials" / "0" / "checkpoint.safetensors").exists()
    recorded, whole_epochs = (
        [row for row in ledger(each.folder) if row.phase is Phase.STUDENT_TRAINING] for each in (stopped, first)
    )
    assert sum(row.images for row in recorded) == 2 * sum(row.images for row in whole_epochs) / 4
    larger = Campaign(tmp_path / "b", *longer, "budget.gflops=1e6")
    assert [(row.attempt, row.epoch) for row in larger.epochs] == [(0, 0), (0, 1), (1, 2), (1, 3)]
    assert larger.record.test_score == first.record.test_score
    assert larger.trials[-1].val_loss == first.trials[-1].val_loss


def test_a_teachers_training_stops_too(tmp_path: Path) -> None:
    longer = ("temperature=fixed", "training.teacher.epochs=4")
    stopped = Campaign(tmp_path, *longer, "budget.gflops=1e-3")
    assert stopped.record.message == "stopped by budget after 0 of 1"
    teacher = next((tmp_path / "cache" / "teachers").glob("*/epochs.jsonl"))
    assert len(teacher.read_text().splitlines()) == 1
    assert teacher.with_name("checkpoint.safetensors").exists()
    assert Campaign(tmp_path, *longer).record.status is CampaignStatus.DONE
    assert len(teacher.read_text().splitlines()) == 4


def test_a_budget_of_the_whole_sweep(tmp_path: Path, whole: Campaign) -> None:
    limit = fixed_gflops(whole) + 1.5 * trial_gflops(whole)
    shared = (f"budget.gflops={limit}", "budget.scope=sweep")
    first = Campaign(tmp_path, "temperature=fixed", *shared)
    assert first.record.status is CampaignStatus.DONE
    second = Campaign(tmp_path, *GRID, *shared)
    assert second.record.message == "stopped by budget after 0 of 3"
    alone = Campaign(tmp_path, *GRID, f"budget.gflops={limit}")
    assert alone.record.status is CampaignStatus.DONE  # of its own it pays no teacher and no logits


def test_what_a_killed_command_paid_for_teacher_and_logits_counts(tmp_path: Path) -> None:
    class StopsInTheFirstTrial(StopFlag):
        def check(self) -> None:
            if list(tmp_path.glob("cache/logits/*/epoch_0001*")):
                self.set("SIGTERM")
            super().check()

    with pytest.raises(TrainingInterruptedError):
        Campaign(tmp_path, *GRID, stop=StopsInTheFirstTrial())
    ledgers = [*tmp_path.glob("multirun/**/ledger.jsonl"), *tmp_path.glob("cache/*/*/ledger.jsonl")]
    assert len(ledgers) == 3
    rows = [row for path in ledgers for row in read_rows(path, LedgerRow).rows]
    spent = sum(row.flops or 0 for row in rows if row.phase is not Phase.TEST) / 1e9  # the teacher's own test
    resumed = Campaign(tmp_path, *GRID, f"budget.gflops={0.999 * spent}")
    assert resumed.record.message == "stopped by budget after 0 of 3"


def test_a_signal_still_stops(tmp_path: Path) -> None:
    stop = StopFlag()
    stop.set("SIGTERM")
    with pytest.raises(Exception, match="SIGTERM"):
        run_campaign(settings(tmp_path, "budget.gflops=1e6"), tmp_path / "c", stop, Reporter())
    assert read_campaign(tmp_path / "c" / "campaign.json").status is CampaignStatus.RUNNING


def test_budgets_are_no_part_of_a_campaigns_identity() -> None:
    assert campaign_id(composed(*SHORT)) == campaign_id(composed(*SHORT, "budget.kwh=1", "budget.scope=sweep"))


@pytest.mark.parametrize(
    ("budget_config", "said"),
    [
        ({"kwh": 0}, "budget.kwh"),
        ({"kwh": -1}, "budget.kwh"),
        ({"hours": "long"}, "budget.hours"),
        ({"scope": "all"}, "budget.scope"),
        ({"kwhs": 1}, "did you mean budget.kwh"),
    ],
)
def test_mistakes_are_named(budget_config: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_budget(budget_config)


def test_an_energy_budget_needs_a_meter(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="energy=none"):
        Campaign(tmp_path, "energy=none", "budget.kwh=1")
