"""Pieces that take long are timed by a part of them, others as a whole and several times."""

from collections.abc import Callable

import pytest
import torch

from greenkd.estimate import stopwatch
from greenkd.estimate.stopwatch import Work

WHOLE = 100


@pytest.mark.parametrize(
    ("seconds", "parts"),
    [
        (10.0, [1]),  # for a part of a hundred
        (1.0, [1, 4]),
        (0.02, [1, 4, 16, 64, 100, 100]),  # the whole takes two seconds: long enough for one repeat
        (0.001, [1, 4, 16, 64, 100, *[100] * 8]),
    ],
)
def test_as_much_is_run_as_is_long_enough(seconds: float, parts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    run: list[int] = []

    def passes(part: int) -> Callable[[], object]:
        def work() -> None:
            nonlocal now_s
            now_s += part * seconds
            run.append(part)

        return work

    monkeypatch.setattr(stopwatch, "PIECE_S", 3.0)
    monkeypatch.setattr(stopwatch, "read", lambda device: Work(2 * now_s, now_s))  # two threads
    monkeypatch.setattr(stopwatch.time, "monotonic", lambda: now_s)
    cost = stopwatch.repeated(torch.device("cpu"), passes, WHOLE)

    assert run == parts
    assert cost == pytest.approx((2 * WHOLE * seconds, WHOLE * seconds))
