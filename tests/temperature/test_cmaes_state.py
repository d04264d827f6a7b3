"""Whatever a study holds in the place of CMA-ES' state: an answer at once, or the state itself; nothing is called."""

import contextlib
import pickle
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from cmaes import CMA

from greenkd.errors import StorageError
from greenkd.records import TrialRow, TrialStatus
from greenkd.temperature import OptunaSearch, StrategyStudy
from greenkd.temperature.cmaes_state import ForeignStateError, read_optimiser


def optimiser(dimensions: int = 2, generations: int = 3) -> CMA:
    made = CMA(np.full(dimensions, 0.5), 0.2, np.tile([0.0, 1.0], (dimensions, 1)), seed=1, n_max_resampling=20)
    for _ in range(generations):
        asked = [made.ask() for _ in range(made.population_size)]
        made.tell([(x, float(((x - 0.3) ** 2).sum())) for x in asked])
    return made


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dimensions", [1, 2, 5])
@pytest.mark.parametrize("asked", [False, True])
def test_a_state_comes_back_whole(protocol: int, dimensions: int, asked: bool) -> None:
    original = optimiser(dimensions)
    if asked:  # which fills in two more parts
        original.ask()
    data = pickle.dumps(original, protocol=protocol)
    if protocol == 2:  # bytes are a call there, which is not made
        with pytest.raises(ForeignStateError, match=r"_codecs\.encode"):
            read_optimiser(data)
        return
    expected, restored = pickle.loads(data), read_optimiser(data)
    for one in (expected, restored):
        one.reseed_rng(7)
    for _ in range(3):
        pairs = [(expected.ask(), restored.ask()) for _ in range(expected.population_size)]
        assert all(np.array_equal(*pair) for pair in pairs)
        for one, number in ((expected, 0), (restored, 1)):
            one.tell([(pair[number], float(pair[number].sum())) for pair in pairs])


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function: object, *arguments: object) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self._call


def with_part(**parts: object) -> bytes:
    """A state in which some parts are others."""
    made = optimiser()
    state = made.__getstate__() | parts
    made.__getstate__ = lambda: state  # type: ignore[method-assign]
    return pickle.dumps(made)


def nested_tuples(depth: int) -> bytes:
    """A name whose hash takes 2 to the power of `depth` steps: a pair of twice the same pair, and so on."""
    pairs = b"".join(b"h%ch%c\x86\x94" % (number, number) for number in range(depth))
    return b"\x80\x04})\x94" + pairs + b"Ns."


HUGE = (1 << 42).to_bytes(8, "little")
FOREIGN = {
    "nothing": b"",
    "no pickle": b"\x00\x01\x02",
    "cut": pickle.dumps(optimiser())[:-200],
    "a number": pickle.dumps(5),
    "a dictionary": pickle.dumps({"_n_dim": 2}),
    "the class itself": b"\x80\x04ccmaes._cma\nCMA\n.",
    "an empty optimiser": b"\x80\x04ccmaes._cma\nCMA\n)\x81}b.",
    "an optimiser without state": b"\x80\x04ccmaes._cma\nCMA\n)\x81.",
    "a state that is a list": b"\x80\x04ccmaes._cma\nCMA\n)\x81Nb.",
    "a function": pickle.dumps(Call(print, "here")),
    "another optimiser": pickle.dumps(optuna.samplers.RandomSampler(seed=0)),
    "a random state": pickle.dumps(np.random.RandomState(0)),
    "an array of 32 TiB": b"\x80\x04cnumpy\nndarray\n\x8a\x08" + HUGE[:7] + b"\x00\x85R.",
    "bytes of 4 TiB": b"\x80\x05\x96" + HUGE + b"x.",
    "bytes of 4 GiB": b"\x80\x04B\xff\xff\xff\xffx.",
    "text of 4 GiB": b"\x80\x04X\xff\xff\xff\xffx.",
    "a table of 4 thousand million": b"\x80\x04Nr\xff\xff\xff\xff.",
    "nested tuples as a name": nested_tuples(200),
    "deep tuples": b"\x80\x04)" + b"\x85" * 500_000 + b".",
    "deep tuples as a name": b"\x80\x04})" + b"\x85" * 500_000 + b"Ns.",
    "two megabytes": b"\x80\x04]" + b"N0" * (1 << 20) + b".",
    "a state for the function that recreates": b"\x80\x04cnumpy._core.multiarray\n_reconstruct\n(K\x01K\x00\x85Ntb.",
    "text for a number": with_part(_sigma="0.2"),
    "no number": with_part(_sigma=float("nan")),
    "a negative step": with_part(_sigma=-0.2),
    "endless resampling": with_part(_n_max_resampling=1 << 60),
    "another population": with_part(_popsize=1 << 40),
    "another number of dimensions": with_part(_n_dim=3),
    "a number of dimensions of 32 TiB": with_part(_n_dim=1 << 42),
    "an array of another shape": with_part(_mean=np.zeros(3)),
    "an array of other numbers": with_part(_mean=np.zeros(2, np.int32)),
    "an array of infinities": with_part(_mean=np.full(2, np.inf)),
    "objects": with_part(_mean=np.array([None, None], dtype=object)),
    "a part too many": with_part(_more=1),
}


@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN)
def test_damaged_and_foreign_states_are_refused(data: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ForeignStateError):
        read_optimiser(data)
    assert "here" not in capfd.readouterr().out


def test_with_part_alone_is_sound() -> None:
    assert read_optimiser(with_part()).generation == 3


def test_any_damage_is_a_refusal_or_a_state() -> None:
    rng = np.random.default_rng(0)
    whole = pickle.dumps(optimiser())
    refused = 0
    for _ in range(1500):
        damaged = bytearray(whole)
        for position in rng.integers(len(whole), size=rng.integers(1, 4)):
            damaged[position] = rng.integers(256)
        try:
            read_optimiser(bytes(damaged)).ask()
        except ForeignStateError:
            refused += 1
    assert refused > 500


def searched(folder: Path, trials: int) -> tuple[StrategyStudy, list[TrialRow]]:
    """A search by CMA-ES that has had so many trials, and its records."""
    study = StrategyStudy(OptunaSearch(sampler="cmaes", n_trials=30), folder / "study.db", "campaign", 0, 3)
    rows = []
    for _ in range(trials):
        proposal = study.propose(lambda _: True)
        assert proposal is not None
        score = 1 / (1 + abs(float(proposal.params["tau"]) - 6))
        study.tell(proposal, TrialStatus.COMPLETE, score)
        rows.append(row(proposal.trial, dict(proposal.params), score))
    return study, rows


def row(number: int, params: dict[str, Any], score: float) -> TrialRow:
    return TrialRow(
        trial=number,
        attempt=0,
        status=TrialStatus.COMPLETE,
        params=params,
        epochs=1,
        val_score=score,
        val_loss=None,
        train_loss=None,
        duration_s=1.0,
        cpu_s=None,
        energy_kwh=None,
        co2eq_g=None,
        flops=None,
        started_at="2026-01-01T00:00:00+00:00",
    )


def test_a_damaged_state_is_set_aside_and_the_study_built_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("sound", "damaged"):
        (tmp_path / name).mkdir()
    study, rows = searched(tmp_path / "sound", 14)
    expected = study.propose(lambda _: True)
    assert expected is not None

    searched(tmp_path / "damaged", 14)
    file = tmp_path / "damaged" / "study.db"
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        change = "update trial_system_attributes set value_json = '\"8g\"' where key like 'cma:optimizer%'"
        assert database.execute(change).rowcount

    again = StrategyStudy(OptunaSearch(sampler="cmaes", n_trials=30), file, "campaign", 0, 3)
    assert "study.db: the state of CMA-ES in it is cut or garbled; set aside as study.db.damaged" in caplog.text
    assert (tmp_path / "damaged" / "study.db.damaged").exists()
    again.reconcile(lambda: rows)
    proposal = again.propose(lambda _: True)
    assert proposal is not None
    assert (proposal.trial, proposal.params) == (expected.trial, expected.params)


@pytest.mark.parametrize("value", [5, None, ["80"], "zz", "8", "ff" * 3_000_000])
def test_any_value_in_its_place_is_refused_while_it_is_used(tmp_path: Path, value: object) -> None:
    study, _ = searched(tmp_path, 8)
    opened = optuna.load_study(study_name="campaign", storage=f"sqlite:///{tmp_path / 'study.db'}")
    storage = opened._storage
    for trial in opened.trials:
        if trial.state.is_finished():
            last = trial
    handle = opened.ask()
    storage.set_trial_system_attr(handle._trial_id, "cma:optimizer:0", value)
    handle.set_user_attr("trial", 99)
    for name, distribution in OptunaSearch(sampler="cmaes").space().items():
        handle._suggest(name, distribution)
    opened.tell(handle, last.value)
    with pytest.raises(StorageError, match=r"CMA-ES in study\.db .*trials\.jsonl"):
        study.propose(lambda _: True)
