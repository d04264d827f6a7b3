"""The figure of τ as used, against rows that were written for it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import analysis
from analysis.views.figures import figures
from greenkd.records import EpochRow, StepsRow, StrategyKind, read_rows
from tests.analysis.plans import Plan, Trial, stochastic
from tests.analysis.sweeps import write_campaign, write_lines


def write_rule(root: Path, seed: int, first: float) -> None:
    """Three epochs of two steps: τ is `first` in the first one, which has no steps on record, then 2, 4, 6, 8."""
    plan = Plan(strategy="lskd", kind=StrategyKind.ADAPTIVE, seed=seed, trials=[Trial()], epochs=3)
    folder = write_campaign(root, plan)
    epochs = [
        dataclasses.replace(row, tau_mean=first if row.epoch == 0 else 5.0, tau_sd=0.0)
        for row in read_rows(folder / "epochs.jsonl", EpochRow).rows
    ]
    write_lines(folder / "epochs.jsonl", epochs)
    steps = [
        StepsRow(trial=0, attempt=0, epoch=epoch, taus=taus, losses=(1.0, 1.0), tau_sds=(0.5, 1.5))
        for epoch, taus in ((1, (9.0, 9.0)), (1, (2.0, 4.0)), (2, (6.0, 8.0)))  # the first was cut off, and made again
    ]
    write_lines(folder / "steps.jsonl", steps)


def test_every_step_of_a_rule_is_drawn_with_its_spread(tmp_path: Path) -> None:
    write_rule(tmp_path, 0, 1.0)
    write_rule(tmp_path, 1, 3.0)
    write_campaign(tmp_path, stochastic(0, epochs=3, steps=2))
    sweep = analysis.load(tmp_path)
    (picture,) = (each for each in figures(sweep, analysis.compare(sweep)) if each.name == "tau-as-used")

    (panel,) = picture.figure.axes  # a random τ per batch has a figure of its own
    (line,) = panel.get_lines()
    assert panel.get_title() == "lskd"
    assert line.get_xdata() == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5])
    assert line.get_ydata() == pytest.approx([2, 2, 2, 4, 6, 8])

    corners = panel.collections[0].get_paths()[0].vertices
    at_one_and_a_half = corners[np.isclose(corners[:, 0], 1.5)][:, 1]
    assert (at_one_and_a_half.min(), at_one_and_a_half.max()) == pytest.approx((2.5, 5.5))
    assert "lskd 2 (± 0) to 8 (± 1.5)" in picture.alt
