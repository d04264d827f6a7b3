"""CMA-ES goes on from its stored state, and from nothing else that a pickle could bring along."""

import os
import pickle
from pathlib import Path

import optuna
import pytest

from greenkd.errors import StorageError
from greenkd.records import TrialStatus
from greenkd.temperature import OptunaSearch, StrategyStudy
from greenkd.temperature.cmaes import SafeCmaEsSampler

TRIALS = 20


def run(study: optuna.Study, sampler: type[optuna.samplers.CmaEsSampler]) -> list[dict[str, float]]:
    for number in range(TRIALS):
        study.sampler = sampler(seed=number)
        trial = study.ask()
        x, y = trial.suggest_float("x", -3, 3), trial.suggest_float("y", -3, 3)
        study.tell(trial, -((x - 1) ** 2) - y**2)
    return [trial.params for trial in study.trials]


def test_it_proposes_what_optunas_own_sampler_proposes() -> None:
    own, safe = (optuna.create_study(direction="maximize") for _ in range(2))
    assert run(own, optuna.samplers.CmaEsSampler) == run(safe, SafeCmaEsSampler)
    assert any(key.startswith("cma:optimizer") for trial in safe.trials for key in trial.system_attrs), "none restored"


class Evil:
    """A pickle that leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self._path),)


def test_a_study_that_tries_to_run_code_is_refused(tmp_path: Path) -> None:
    trace = tmp_path / "was_here"
    search = OptunaSearch(sampler="cmaes", n_trials=30)
    study = StrategyStudy(search, tmp_path / "study.db", "campaign", 0, 3)
    for _ in range(8):
        proposal = study.propose(lambda _: True)
        assert proposal is not None
        study.tell(proposal, TrialStatus.COMPLETE, float(proposal.params["tau"]))
    bad = pickle.dumps(Evil(trace)).hex()
    opened = optuna.load_study(study_name="campaign", storage=f"sqlite:///{tmp_path / 'study.db'}")
    _plant(opened, bad)
    with pytest.raises(StorageError, match=r"mkdir.*delete study\.db"):
        study.propose(lambda _: True)
    assert not trace.exists()


def _plant(study: optuna.Study, state: str) -> None:
    trial = study.ask()
    study._storage.set_trial_system_attr(trial._trial_id, "cma:optimizer:0", state)
    trial.set_user_attr("trial", 99)
    distributions = OptunaSearch(sampler="cmaes").space()
    for name, distribution in distributions.items():
        trial._suggest(name, distribution)
    study.tell(trial, 0.5)
