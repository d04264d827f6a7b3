"""Who goes on at a rung, decided by the rows on record."""

import dataclasses

import pytest

from greenkd.campaign.rungs import read_rungs
from greenkd.records import TrialRow, TrialStatus
from greenkd.temperature import Grid, Halving, Rung, total_epochs
from tests.rows import trial_row

RUNGS = [Rung(1, 5), Rung(3, 2), Rung(9, 1)]


def row(trial: int, epochs: int, val: float | None, status: TrialStatus = TrialStatus.PAUSED) -> TrialRow:
    return trial_row(trial, status=status, epochs=epochs, val_score=val)


FIRST = [row(trial, 1, val) for trial, val in enumerate((0.3, 0.5, 0.4, 0.5, 0.1))]


def test_a_rung_is_decided_when_all_have_ended_it() -> None:
    assert read_rungs(RUNGS, []).until == dict.fromkeys(range(5), 1)
    waiting = read_rungs(RUNGS, FIRST[:4])
    assert (waiting.until, waiting.stopped, waiting.is_last) == ({4: 1}, [], False)

    decided = read_rungs(RUNGS, FIRST)
    assert decided.until == {1: 3, 3: 3}
    assert [(stopped.trial, stopped.status) for stopped in decided.stopped] == [
        (trial, TrialStatus.PRUNED) for trial in (2, 0, 4)
    ]
    assert decided.stopped[0].cause == "place 3 of 5 after epoch 1, of which 2 go on"

    # On record once, they are not stopped again; and an attempt that was interrupted is still on its way.
    assert read_rungs(RUNGS, FIRST + decided.stopped).stopped == []
    interrupted = [*FIRST, row(1, 0, None, TrialStatus.INTERRUPTED), row(3, 3, 0.6)]
    assert read_rungs(RUNGS, interrupted).until == {1: 3}


def test_equal_scores_go_by_the_loss_then_by_the_number() -> None:
    lower_loss = [*FIRST[:4], dataclasses.replace(FIRST[4], val_score=0.5, val_loss=0.9)]
    assert read_rungs(RUNGS, lower_loss).until == {4: 3, 1: 3}


def test_who_fails_has_no_place_and_comes_back_where_he_failed() -> None:
    failed = [*FIRST[:1], row(1, 0, None, TrialStatus.FAILED), *FIRST[2:]]
    assert read_rungs(RUNGS, failed).until == {1: 1, 2: 3, 3: 3}

    # Tried again, it takes the place that its score deserves.
    assert read_rungs(RUNGS, [*failed, row(1, 1, 0.45)]).until == {3: 3, 1: 3}
    assert [stopped.trial for stopped in read_rungs(RUNGS, [*failed, row(1, 1, 0.2)]).stopped] == [0, 1, 4]

    # The last rung has a place for one, whoever else fails.
    second = [*FIRST, row(1, 0, None, TrialStatus.FAILED), row(3, 3, 0.6)]
    state = read_rungs(RUNGS, second)
    assert (state.until, state.is_last) == ({1: 3, 3: 9}, True)


def test_a_strategy_without_rungs_has_one() -> None:
    rungs = Grid(taus=(2.0, 4.0)).rungs(7)
    assert rungs == [Rung(7, 2)]
    assert read_rungs(rungs, [row(0, 7, 0.5, TrialStatus.COMPLETE)]).until == {0: 7, 1: 7}


@pytest.mark.parametrize(
    ("taus", "epochs", "settings", "expected"),
    [
        (19, 240, {}, [(8, 19), (26, 6), (80, 2), (240, 1)]),
        (19, 12, {}, [(1, 19), (4, 6), (12, 2)]),
        (19, 2, {}, [(1, 19), (2, 6)]),
        (4, 12, {}, [(4, 4), (12, 1)]),
        (19, 240, {"min_epochs": 40}, [(40, 19), (80, 6), (240, 2)]),
        (5, 8, {"reduction_factor": 2}, [(2, 5), (4, 2), (8, 1)]),
    ],
)
def test_rungs_of_a_third_of_the_epochs(
    taus: int, epochs: int, settings: dict[str, int], expected: list[tuple[int, int]]
) -> None:
    strategy = Halving(taus=tuple(float(tau) for tau in range(2, taus + 2)), **settings)
    assert strategy.rungs(epochs) == expected
    steps = zip(expected, [(0, 0), *expected], strict=False)
    assert total_epochs(strategy.rungs(epochs)) == sum(count * (end - begin) for (end, count), (begin, _) in steps)
