"""What is said of a training while it goes: speed, τ where it varies, and lines where there is no terminal."""

import logging
from types import SimpleNamespace

import pytest

from greenkd.campaign import console
from greenkd.campaign.console import Reporter
from greenkd.campaign.pace import Pace
from greenkd.records import EpochRow


def epoch(number: int, **changes: object) -> EpochRow:
    fields = {
        "trial": 0,
        "attempt": 0,
        "epoch": number,
        "lr": 0.1,
        "tau_mean": 8.44,
        "train_loss": 1.0,
        "train_score": 0.5,
        "val_loss": 1.0,
        "val_score": 0.9125,
        "duration_s": 0.5,
    }
    return EpochRow(**{**fields, **changes})  # type: ignore[arg-type]


def test_tau_is_said_once() -> None:
    assert Pace("grid 1/4, τ 8", 30, 1000, has_tau=True).state(epoch(2)) == (
        "epoch 3/30, validation 91.25 %, 2,000 images/s"
    )
    drawn = Pace("stochastic 1/1, τ stochastic", 30, 1000, has_tau=False)
    assert drawn.state(epoch(2, val_score=None)) == "epoch 3/30, mean τ 8.44, 2,000 images/s"


def test_the_time_left_follows_from_the_epochs_made_here(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 60.0, 120.0])
    monkeypatch.setattr("greenkd.campaign.pace.time", SimpleNamespace(monotonic=lambda: next(clock)))
    pace = Pace("grid 1/4, τ 8", 30, 1000, has_tau=True, _started=next(clock))
    assert pace.line(epoch(19)).endswith(", about 10 min left"), "an earlier attempt made 19 epochs"
    assert pace.line(epoch(20)).endswith(", about 9 min left")


def test_lines_come_now_and_then_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    monkeypatch.setattr("greenkd.campaign.console.time", SimpleNamespace(monotonic=lambda: now[0]))
    caplog.set_level(logging.INFO)
    reporter = Reporter()
    reporter.trial_started(0, {"tau": 8.0}, 30, 1000)
    for number in range(5):
        now[0] += console.LINE_EVERY_S / 2 + 1
        reporter.epoch_finished(epoch(number))
    said = [record.message for record in caplog.records if "images/s" in record.message]
    assert [message.split("epoch ")[1].split("/")[0] for message in said] == ["2", "4"]
