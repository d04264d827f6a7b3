"""The analysis selects by the rule of the campaign."""

import math
from pathlib import Path

import pandas as pd

import analysis
from analysis.frames.selection import best_first, select_trial
from greenkd.records import CampaignStatus
from tests.analysis.plans import Trial, grid
from tests.analysis.sweeps import write_sweep


def test_ties_go_to_the_lower_loss_then_the_lower_number(tmp_path: Path) -> None:
    trials = [
        Trial(tau=tau, val_score=0.9, val_loss=loss, test_score=test)
        for tau, loss, test in [(2, 0.4, 0.1), (3, 0.3, 0.2), (4, 0.3, 0.3)]
    ]
    running = grid(0, *trials, status=CampaignStatus.RUNNING, planned=5)
    write_sweep(tmp_path, [running])
    runs = analysis.strategy_runs(analysis.load(tmp_path)).set_index("strategy")
    assert runs.loc["grid", "chosen_tau"] == 3
    assert not runs.loc["grid", "complete"]


def test_a_loss_that_is_no_number_comes_last_and_equal_trials_keep_their_order() -> None:
    trials = pd.DataFrame(
        {
            "campaign": 0,
            "trial": range(5),
            "status": ["complete"] * 4 + ["pruned"],
            "val_score": [0.9, 0.9, 0.8, 0.9, 0.99],
            "val_loss": [math.nan, 0.3, 0.1, 0.3, 0.1],
        }
    )
    assert list(best_first(trials)["trial"]) == [1, 3, 0, 2]
    assert select_trial(trials.iloc[4:]) is None
