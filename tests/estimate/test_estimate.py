"""The estimate: right sums of known rates, nothing trained, its own energy recorded, settled by the real run."""

import dataclasses
from pathlib import Path

import pytest

from greenkd.campaign import evaluation
from greenkd.campaign.campaign import run_campaign
from greenkd.campaign.console import Reporter
from greenkd.campaign.settings import Settings
from greenkd.estimate import earlier_campaigns, plan, rates, stopwatch
from greenkd.estimate.estimate import make_estimate
from greenkd.estimate.power import Power
from greenkd.estimate.rates import Rates
from greenkd.estimate.settlement import describe_settlement, settle
from greenkd.estimate.stopwatch import Work
from greenkd.estimate.table import describe_estimate
from greenkd.estimate.wall_time import WallRange
from greenkd.identity import campaign_folder, campaign_id
from greenkd.records import CostEstimate, LedgerRow, Phase, read_campaign, read_estimate, read_rows
from greenkd.training.stop_signals import StopFlag
from tests.campaigns import SHORT, composed, settings

GRID = ("temperature=grid", "temperature.taus=[2,4,8]")
STOCHASTIC = ("temperature=stochastic",)
KNOWN = Rates(
    setup=Work(1.0, 2.0),
    trial=Work(10.0, 20.0),
    end=Work(0.5, 0.5),
    teacher=Work(100.0, 200.0),
    logits=Work(40.0, 40.0),
    synthesis=Work(30.0, 30.0),
    low=0.8,
    high=1.5,
    wall=WallRange(0.5, 2.0),
    power=Power(per_cpu_s_kwh=1e-3, per_s_kwh=1e-4),
    source="made up",
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopwatch, "PIECE_S", 0.05)
    monkeypatch.setattr(evaluation, "WINDOW_S", 0.0)
    monkeypatch.setattr(rates, "WINDOW_S", 0.0)


def planned(root: Path, *strategies: tuple[str, ...]) -> list[tuple[Settings, Path]]:
    return [
        (settings(root, *each), root / "multirun" / "default" / campaign_folder(composed(*SHORT, *each)))
        for each in strategies
    ]


def row(rows: tuple[CostEstimate, ...], name: str) -> CostEstimate:
    return next(each for each in rows if each.name == name)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates that are known, and a process that starts at no cost."""
    monkeypatch.setattr(plan, "from_records", lambda *_: KNOWN)
    monkeypatch.setattr(plan, "_since_start", lambda: Work(0.0, 0.0))


@pytest.mark.usefixtures("known")
def test_teacher_and_logits_are_paid_once(tmp_path: Path) -> None:
    record = make_estimate(planned(tmp_path, GRID, STOCHASTIC), StopFlag())
    assert row(record.rows, "grid").cpu_s == pytest.approx(1 + 3 * 10 + 0.5)
    assert row(record.rows, "grid").trials == 3
    assert row(record.rows, "stochastic").duration_s == pytest.approx(2 + 20 + 0.5)
    assert row(record.rows, "teacher training").cpu_s == 100
    assert row(record.rows, "teacher logits").cpu_s == 40
    assert record.total.cpu_s == pytest.approx(31.5 + 11.5 + 140)
    assert record.total.energy_kwh == pytest.approx(1e-3 * record.total.cpu_s + 1e-4 * record.total.duration_s)
    assert record.total.co2eq_g == pytest.approx(record.total.energy_kwh * 445)
    assert (record.total.low, record.total.high) == (pytest.approx(0.8), pytest.approx(1.5))
    # Time may be half or double per CPU second besides.
    low, high = Work(0.8, 0.8 * 0.5), Work(1.5, 1.5 * 2)
    cpu_s, duration_s = record.total.cpu_s, record.total.duration_s
    assert record.total.duration_low_s == pytest.approx(low.duration_s * duration_s)
    assert record.total.energy_low_kwh == pytest.approx(1e-3 * low.cpu_s * cpu_s + 1e-4 * low.duration_s * duration_s)
    assert record.total.energy_high_kwh == pytest.approx(
        1e-3 * high.cpu_s * cpu_s + 1e-4 * high.duration_s * duration_s
    )
    assert record.stochastic_alone.cpu_s == pytest.approx(11.5 + 140)


@pytest.mark.usefixtures("known")
def test_each_seed_has_its_own_logits_and_shares_the_teacher(tmp_path: Path) -> None:
    record = make_estimate(planned(tmp_path, (*GRID, "seed=0"), (*GRID, "seed=1")), StopFlag())
    assert row(record.rows, "teacher training").cpu_s == 100
    assert row(record.rows, "teacher logits").cpu_s == 80
    assert record.stochastic_alone.cpu_s == pytest.approx(2 * 11.5 + 180)


@pytest.mark.usefixtures("known")
def test_each_restart_has_logits_of_its_own(tmp_path: Path) -> None:
    restarts = ("temperature=restarts", "temperature.restarts=3")
    record = make_estimate(planned(tmp_path, restarts, STOCHASTIC), StopFlag())
    assert row(record.rows, "teacher logits").cpu_s == 3 * 40  # stochastic τ shares those of restart 0
    assert record.stochastic_alone.cpu_s == pytest.approx(11.5 + 140)

    # Once they are trained, their ledgers tell what those of one seed cost.
    done = planned(tmp_path, restarts)
    run_campaign(*done[0], StopFlag(), Reporter())
    logits = read_campaign(done[0][1] / "campaign.json").logits_costs
    assert logits is not None
    assert logits.cpu_s is not None
    of_one_seed = earlier_campaigns._logits_of_one_seed(done[0][1], read_campaign(done[0][1] / "campaign.json"))
    assert of_one_seed is not None
    assert of_one_seed.cpu_s == pytest.approx(logits.cpu_s / 3)


@pytest.mark.usefixtures("known")
def test_workers_shorten_the_time_by_whole_rounds(tmp_path: Path) -> None:
    grid = (*GRID, "training.parallel_trials=2", "order=auto")
    record = make_estimate(planned(tmp_path, grid), StopFlag())
    assert row(record.rows, "grid").duration_s == pytest.approx(2 + 2 * 20 + 0.5)  # the second round has one trial
    assert row(record.rows, "grid").cpu_s == pytest.approx(1 + 3 * 10 + 0.5)


@pytest.mark.usefixtures("known")
def test_pruning_only_widens_the_range(tmp_path: Path) -> None:
    search = ("temperature=optuna", "temperature.n_trials=5", "temperature.pruner=median")
    plain, pruned = (make_estimate(planned(tmp_path, each), StopFlag()).rows for each in (search[:2], search))
    assert pruned[-1].cpu_s == plain[-1].cpu_s
    assert pruned[-1].low < plain[-1].low


@pytest.mark.usefixtures("known")
def test_what_is_done_costs_nothing(tmp_path: Path) -> None:
    ((first, folder),) = planned(tmp_path, STOCHASTIC)
    run_campaign(first, folder, StopFlag(), Reporter())
    record = make_estimate(planned(tmp_path, GRID, STOCHASTIC), StopFlag())
    assert [each.name for each in record.rows] == ["grid"]  # teacher and logits are in the cache
    assert record.total.cpu_s == pytest.approx(31.5)
    assert make_estimate(planned(tmp_path, STOCHASTIC), StopFlag()).total.cpu_s == 0


def test_timed_pieces_train_nothing_and_are_recorded(tmp_path: Path) -> None:
    campaigns = planned(tmp_path, GRID, STOCHASTIC)
    record = make_estimate(campaigns, StopFlag())
    assert not any(folder.exists() for _, folder in campaigns)
    assert not (tmp_path / "cache").exists()
    rows = read_rows(tmp_path / "multirun" / "default" / "calibration.jsonl", LedgerRow).rows
    assert {each.phase for each in rows} == {Phase.CALIBRATION, Phase.OVERHEAD}
    assert sum(each.images for each in rows) > 0
    by_name = {each.name: each for each in record.rows}
    assert by_name.keys() == {"start-up", "teacher training", "teacher logits", "grid", "stochastic"}
    assert all(each.cpu_s > 0 and (each.energy_kwh or 0) > 0 for each in record.rows)
    assert by_name["grid"].cpu_s > by_name["stochastic"].cpu_s
    assert read_estimate(tmp_path / "multirun" / "default" / "estimate.json") == record
    shown = describe_estimate(record)
    assert "stochastic alone" in shown
    assert "kWh" in shown


@pytest.mark.parametrize(
    "override",
    [
        "training.bank=false",
        "objective=crd",
        "objective=none temperature=fixed",
        "objective=tfkd_self",
        "objective=dml",
    ],
)
def test_every_kind_of_objective_can_be_timed(tmp_path: Path, override: str) -> None:
    record = make_estimate(planned(tmp_path, (*STOCHASTIC, *override.split())), StopFlag())
    names = [each.name for each in record.rows]
    assert ("teacher training" in names) == (override not in ("objective=none temperature=fixed", "objective=dml"))
    assert ("teacher logits" in names) == (override == "objective=tfkd_self")


def test_slow_networks_are_timed_by_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopwatch, "EPOCHS", 10**6)  # no epoch is short enough
    monkeypatch.setattr(stopwatch, "PIECE_S", 0.4)
    by_steps = make_estimate(planned(tmp_path, STOCHASTIC), StopFlag())
    monkeypatch.setattr(stopwatch, "EPOCHS", 3)
    by_epochs = make_estimate(planned(tmp_path / "b", STOCHASTIC), StopFlag())
    pairs = [(row(each.rows, "stochastic").cpu_s) for each in (by_steps, by_epochs)]
    assert 0.3 < pairs[0] / pairs[1] < 3  # the same thing, measured in another way


def test_earlier_ledgers_are_read_instead(tmp_path: Path) -> None:
    for each, folder in planned(tmp_path, GRID, STOCHASTIC):
        run_campaign(each, folder, StopFlag(), Reporter())
    again = planned(tmp_path, (*GRID, "seed=1"))
    record = make_estimate(again, StopFlag())
    assert record.source == "ledgers of 4 earlier trials of the same setting, machine and meter"
    rows = [
        each
        for _, folder in planned(tmp_path, GRID, STOCHASTIC)
        for each in read_rows(folder / "ledger.jsonl", LedgerRow).rows
    ]
    trials = [each.cpu_s or 0 for each in rows if each.phase in (Phase.STUDENT_TRAINING, Phase.VALIDATION, Phase.TEST)]
    # Three quarters of the trials' cost, and something for each campaign.
    assert row(record.rows, "grid").cpu_s > 0.75 * sum(trials)
    assert "teacher training" not in [each.name for each in record.rows]
    other = make_estimate(planned(tmp_path, (*GRID, "training.lr=0.05")), StopFlag())
    assert other.source.startswith("timed here")


def test_the_next_run_settles_it_once(tmp_path: Path) -> None:
    campaigns = planned(tmp_path, GRID, STOCHASTIC)
    sweep = tmp_path / "multirun" / "default"
    assert settle(sweep) is None
    record = make_estimate(campaigns, StopFlag())
    run_campaign(*campaigns[0], StopFlag(), Reporter())
    assert settle(sweep) is None  # one is left
    run_campaign(*campaigns[1], StopFlag(), Reporter())
    settled = settle(sweep)
    assert settled is not None
    assert settled.outcome is not None
    assert dataclasses.replace(settled, outcome=None) == record
    paths = [folder / "ledger.jsonl" for _, folder in campaigns]
    paths += sorted((tmp_path / "cache").glob("*/*/ledger.jsonl"))
    spent = [
        each.cpu_s or 0.0
        for path in paths
        for each in read_rows(path, LedgerRow).rows
        if not (path.parts[-3] == "teachers" and each.phase is Phase.TEST)
    ]
    assert settled.outcome.cpu_s == pytest.approx(sum(spent))
    assert "CPU s estimated" in describe_settlement(settled)
    assert settle(sweep) is None


def test_estimates_are_no_part_of_a_campaigns_identity() -> None:
    assert campaign_id(composed(*SHORT)) == campaign_id(composed(*SHORT, "estimate=true"))
