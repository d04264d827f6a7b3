"""A search whose chosen trial is not on record: no other trial stands in for it."""

from pathlib import Path

import numpy as np

import analysis
from analysis.results.search_arrays import search_arrays
from tests.analysis.plans import standard_plans
from tests.analysis.sweeps import write_sweep


def test_no_other_trial_stands_in_for_a_chosen_one_that_is_lost(tmp_path: Path) -> None:
    write_sweep(tmp_path, standard_plans(seeds=(0, 1), taus=(2, 4, 8)))
    sweep = analysis.load(tmp_path)
    runs = analysis.compare(sweep).runs
    grid = runs[runs["strategy"] == "grid"]
    lost = grid.iloc[0]

    is_lost = sweep.trials["campaign"].isin(lost["campaigns"]) & (sweep.trials["trial"] == lost["trial"])
    arrays = search_arrays(grid, sweep.trials[~is_lost])
    assert np.isnan(arrays.test[0]).all()
    assert not np.isnan(arrays.test[1]).any()
    assert not arrays.shows_noise
