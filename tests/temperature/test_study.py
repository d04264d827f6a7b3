import sqlite3
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from greenkd.components import build
from greenkd.errors import ConfigError
from greenkd.records import TrialRow, TrialStatus
from greenkd.temperature import Grid, Proposal, Strategy, StrategyStudy
from greenkd.temperature.schedules import Constant, RandomPerBatch
from tests.rows import trial_row

SAMPLERS = ["tpe", "gp", "gp_per_kwh", "random", "cmaes", "qmc"]


def strategy(kind: str, **config: object) -> Strategy:
    return build({"_target_": f"greenkd.temperature.{kind}", **config}, where="temperature", expect=Strategy)


def study(strategy: Strategy, folder: Path, epochs: int = 9) -> StrategyStudy:
    return StrategyStudy(strategy, folder / "study.db", "campaign", 0, epochs)


def always(trial: int) -> bool:
    return True


def accuracy(params: dict[str, float | int | str]) -> float:
    return 1 - abs(float(params.get("tau", 4)) - 6) / 20


def run(open_study: StrategyStudy, score: Callable[[Proposal], float], limit: int = 100) -> list[Proposal]:
    done: list[Proposal] = []
    while len(done) < limit and (proposal := open_study.propose(always)):
        open_study.tell(proposal, TrialStatus.COMPLETE, score(proposal))
        done.append(proposal)
    return done


def row(trial: int, tau: float, status: TrialStatus = TrialStatus.COMPLETE, val: float | None = 0.5) -> TrialRow:
    return trial_row(trial, status=status, params={"tau": tau}, val_score=val)


def test_a_grid_is_numbered_by_its_list_and_run_in_an_order_of_the_seed(tmp_path: Path) -> None:
    taus = list(range(2, 21))
    grid = strategy("Grid", taus=taus)
    runs = []
    for seed in (0, 0, 1):
        folder = tmp_path / str(len(runs))
        folder.mkdir()
        runs.append(run(StrategyStudy(grid, folder / "study.db", "campaign", seed, 9), lambda p: accuracy(p.params)))

    for done in runs:
        assert {p.trial: p.params["tau"] for p in done} == dict(enumerate(map(float, taus)))
    first, again, other = ([p.trial for p in done] for done in runs)
    assert first == again
    assert len({tuple(order) for order in (first, other, range(19))}) == 3
    # Half of it is spread over the range, which a grid from 2 upwards is not.
    assert {trial < 10 for trial in first[:9]} == {True, False}


def test_a_grid_that_was_stopped_goes_on_in_the_same_order(tmp_path: Path) -> None:
    grid = strategy("Grid", taus=list(range(2, 12)))
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    whole = run(study(grid, tmp_path / "whole"), lambda p: 0.5)

    broken = run(study(grid, tmp_path / "broken"), lambda p: 0.5, limit=3)
    assert study(grid, tmp_path / "broken").propose(always) is not None  # asked for, then the process dies
    broken += run(study(grid, tmp_path / "broken"), lambda p: 0.5)
    assert [p.trial for p in broken] == [p.trial for p in whole]


def test_a_grid_that_an_earlier_version_has_queued_goes_on_in_its_order(tmp_path: Path) -> None:
    """Up to 0.1 trials were queued by their numbers; the study in the campaign's folder is taken as it is."""

    class QueuedByNumber(Grid):
        def trial_order(self, seed: int) -> list[int]:
            return list(range(len(self.taus)))

    taus = tuple(float(tau) for tau in range(2, 12))
    done = run(study(QueuedByNumber(taus=taus), tmp_path), lambda p: 0.5, limit=3)
    done += run(study(strategy("Grid", taus=list(taus)), tmp_path), lambda p: 0.5)
    assert [p.trial for p in done] == list(range(10))


def test_restarts_share_tau_and_differ_in_seed() -> None:
    restarts = strategy("Restarts", tau=3, restarts=4)
    queue = restarts.queue()
    assert queue == [{"tau": 3.0, "restart": restart} for restart in range(4)]
    seeds = [restarts.trial_seed(7, params) for params in queue]
    assert seeds[0] == 7
    assert len(set(seeds)) == 4
    assert set(seeds[1:]).isdisjoint(restarts.trial_seed(8, params) for params in queue)
    assert strategy("Grid", taus=[2, 4]).trial_seed(7, {"tau": 4.0}) == 7


@pytest.mark.parametrize(("kind", "params"), [("Fixed", {"tau": 4.0}), ("Stochastic", {})])
def test_one_training_strategies_have_one_trial(tmp_path: Path, kind: str, params: dict[str, float]) -> None:
    done = run(study(strategy(kind), tmp_path), lambda p: 0.5)
    assert [p.params for p in done] == [params]


def test_schedules_of_the_strategies() -> None:
    assert strategy("Fixed", tau=3).schedule({"tau": 3.0}) == Constant(tau=3.0)
    assert strategy("Grid", taus=[2]).schedule({"tau": 2.0}) == Constant(tau=2.0)
    assert strategy("Stochastic").schedule({}) == RandomPerBatch(low=2, high=20, distribution="uniform_int")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_stays_in_its_range_and_repeats_itself(tmp_path: Path, sampler: str) -> None:
    search = strategy("OptunaSearch", sampler=sampler, n_trials=6, low=3, high=9)
    runs = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        runs.append([p.params for p in run(study(search, tmp_path / name), lambda p: accuracy(p.params))])
    assert runs[0] == runs[1]
    assert len(runs[0]) == 6
    assert all(set(params) == {"tau"} and 3 <= params["tau"] <= 9 for params in runs[0])
    assert len({params["tau"] for params in runs[0]}) == 6


@pytest.mark.parametrize(
    "sampler",
    [pytest.param(name, marks=pytest.mark.nightly if name not in ("tpe", "gp_per_kwh") else ()) for name in SAMPLERS],
)
def test_a_search_that_was_stopped_proposes_what_it_would_have(tmp_path: Path, sampler: str) -> None:
    search = strategy("OptunaSearch", sampler=sampler, n_trials=14)  # more than TPE's and GP's random start
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    whole = run(study(search, tmp_path / "whole"), lambda p: accuracy(p.params))
    broken = run(study(search, tmp_path / "broken"), lambda p: accuracy(p.params), limit=5)
    lost = study(search, tmp_path / "broken").propose(always)  # asked for, then the process dies
    assert lost is not None
    broken += run(study(search, tmp_path / "broken"), lambda p: accuracy(p.params))
    assert [p.params for p in broken] == [p.params for p in whole]


@pytest.mark.parametrize(
    "sampler", ["tpe", pytest.param("gp", marks=pytest.mark.nightly), pytest.param("cmaes", marks=pytest.mark.nightly)]
)
def test_an_adaptive_search_looks_where_accuracy_was_high(tmp_path: Path, sampler: str) -> None:
    search = strategy("OptunaSearch", sampler=sampler, n_trials=40)
    taus = [float(p.params["tau"]) for p in run(study(search, tmp_path), lambda p: accuracy(p.params))]
    early, late = taus[:10], taus[-10:]
    assert sum(abs(tau - 6) for tau in late) < sum(abs(tau - 6) for tau in early)


def test_a_pruner_stops_a_hopeless_trial(tmp_path: Path) -> None:
    open_study = study(strategy("OptunaSearch", n_trials=7, pruner="median"), tmp_path)
    for _ in range(5):
        proposal = open_study.propose(always)
        assert proposal is not None
        assert not any(open_study.should_stop(proposal, epoch, 0.9) for epoch in range(9))
        open_study.tell(proposal, TrialStatus.COMPLETE, 0.9)
    hopeless = open_study.propose(always)
    assert hopeless is not None
    stops = [open_study.should_stop(hopeless, epoch, 0.1) for epoch in range(9)]
    assert not any(stops[:2])
    assert any(stops)


def test_without_a_pruner_nothing_is_stopped(tmp_path: Path) -> None:
    open_study = study(strategy("OptunaSearch", n_trials=7), tmp_path)
    for value in (0.9, 0.9, 0.9, 0.9, 0.9, 0.0):
        proposal = open_study.propose(always)
        assert proposal is not None
        assert not open_study.should_stop(proposal, 8, value)
        open_study.tell(proposal, TrialStatus.COMPLETE, value)


def test_a_running_trial_nobody_holds_is_handed_out_again(tmp_path: Path) -> None:
    grid = strategy("Grid", taus=[2, 4])
    first = study(grid, tmp_path).propose(always)
    again = study(grid, tmp_path).propose(always)
    assert first is not None
    assert again is not None
    assert (again.trial, again.params) == (first.trial, first.params)


def test_a_trial_held_by_another_process_is_left_to_it(tmp_path: Path) -> None:
    grid = strategy("Grid", taus=[2, 4])
    study(grid, tmp_path).propose(always)
    second = study(grid, tmp_path)
    proposal = second.propose(lambda trial: trial != 0)
    assert proposal is not None
    assert proposal.trial == 1
    assert second.propose(lambda trial: False) is None
    assert not second.finished()


def test_a_recorded_trial_is_not_run_again(tmp_path: Path) -> None:
    grid = strategy("Grid", taus=[2, 4, 8])
    study(grid, tmp_path).propose(always)  # trial 0: its row is written, then the process dies before it tells
    resumed = study(grid, tmp_path)
    resumed.reconcile(lambda: [row(0, 2.0)])
    assert [p.trial for p in run(resumed, lambda p: 0.5)] == [1, 2]
    assert resumed.finished()


def test_a_lost_study_is_rebuilt_from_the_records(tmp_path: Path) -> None:
    grid = strategy("Grid", taus=[2, 4, 8])
    fresh = study(grid, tmp_path)
    fresh.reconcile(lambda: [row(0, 2.0), row(1, 4.0, TrialStatus.FAILED, None)])
    assert [p.trial for p in run(fresh, lambda p: 0.5)] == [2]


def test_a_failed_trial_is_retried_under_its_number(tmp_path: Path) -> None:
    grid = strategy("Grid", taus=[2, 4])
    open_study = study(grid, tmp_path)
    for status in (TrialStatus.FAILED, TrialStatus.COMPLETE):
        proposal = open_study.propose(always)
        assert proposal is not None
        open_study.tell(proposal, status, 0.5)
    assert open_study.finished()
    open_study.retry([row(0, 2.0, TrialStatus.FAILED, None), row(1, 4.0)])
    assert not open_study.finished()
    retried = open_study.propose(always)
    assert retried is not None
    assert (retried.trial, retried.params) == (0, {"tau": 2.0})


def test_the_study_is_one_that_optuna_opens(tmp_path: Path) -> None:
    run(study(strategy("Grid", taus=[2, 4]), tmp_path), lambda p: accuracy(p.params))
    loaded = optuna.load_study(study_name="campaign", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert loaded.best_params == {"tau": 4.0}
    assert loaded.direction == optuna.study.StudyDirection.MAXIMIZE
    with sqlite3.connect(tmp_path / "study.db") as database:
        assert database.execute("select count(*) from trials").fetchone() == (2,)


@pytest.mark.parametrize(
    ("kind", "config", "words"),
    [
        ("Fixed", {"tau": -1}, ["temperature.tau=-1", "greater than 0"]),
        ("Fixed", {"tau": 0}, ["temperature.tau=0", "greater than 0"]),
        ("Fixed", {"tau": float("nan")}, ["temperature.tau=nan", "finite"]),
        ("Grid", {"taus": []}, ["temperature.taus=[]", "at least 1"]),
        ("Grid", {"taus": 4}, ["temperature.taus=4", "list"]),
        ("Grid", {"taus": [2, -3]}, ["temperature.taus.1=-3", "greater than 0"]),
        ("Grid", {"taus": [2, 2]}, ["2 more than once"]),
        ("Stochastic", {"low": 20, "high": 2}, ["low=20 must be below high=2"]),
        ("Stochastic", {"distribution": "normal"}, ["'uniform_int', 'uniform' or 'log_uniform'"]),
        ("OptunaSearch", {"sampler": "annealing"}, ["temperature.sampler", "'tpe'", "'qmc'"]),
        ("OptunaSearch", {"n_trials": 0}, ["temperature.n_trials=0"]),
        ("OptunaSearch", {"low": 5, "high": 5}, ["low=5 must be below high=5"]),
        ("Stochastic", {"hihg": 2}, ["temperature.hihg", "did you mean temperature.high?"]),
    ],
)
def test_a_mistake_is_refused_with_its_cure(kind: str, config: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        strategy(kind, **config)
    assert all(word in str(refused.value) for word in words)


def test_two_processes_may_tell_the_same_trial_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = strategy("Grid", taus=[2, 4])
    first, second = study(grid, tmp_path), study(grid, tmp_path)
    proposal = first.propose(always)
    assert proposal is not None
    storage = first._study._storage
    end = storage.set_trial_state_values

    def late(*arguments: object) -> object:
        """The other process ends the trial between this one's look at it and its own ending."""
        monkeypatch.setattr(storage, "set_trial_state_values", end)
        second.reconcile(lambda: [row(0, 2.0)])
        return end(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(storage, "set_trial_state_values", late)
    first.tell(proposal, TrialStatus.COMPLETE, 0.5)
    assert [p.trial for p in run(first, lambda p: 0.5)] == [1]


def test_machines_may_share_a_database_by_its_url(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    grid = strategy("Grid", taus=[2, 4])
    first, second = (StrategyStudy(grid, url, "sweep/campaign", 0, 3) for _ in range(2))
    proposals = [first.propose(always), second.propose(lambda trial: trial != 0)]  # the first is held
    assert [each.params["tau"] for each in proposals if each is not None] == [2, 4]
