"""The map of scores over τ and what was searched with it."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.lines import Line2D

import analysis
from analysis.views.figures import Picture, figures
from greenkd.records import StrategyKind
from tests.analysis.plans import Plan, Trial, grid, stochastic
from tests.analysis.sweeps import write_sweep

VAL = {(2.0, 0.5): (0.90, 0.92), (2.0, 0.9): (0.80, 0.70), (4.0, 0.5): (0.85, 0.85), (4.0, 0.9): (0.95, 0.91)}


def picture(root: Path, plans: list[Plan]) -> Picture:
    write_sweep(root, plans)
    sweep = analysis.load(root)
    return next(drawn for drawn in figures(sweep, analysis.compare(sweep)) if drawn.name == "accuracy-map")


def rings(axes: object) -> list[tuple[float, float]]:
    lines = [line for line in axes.get_children() if isinstance(line, Line2D) and line.get_marker() == "o"]  # type: ignore[attr-defined]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines]  # type: ignore[index]


def test_a_grid_is_a_map_of_means_with_a_ring_where_each_seed_chose(tmp_path: Path) -> None:
    plans = [
        grid(
            seed,
            *(
                Trial(tau=tau, others={"objective.alpha": alpha}, val_score=scores[seed])
                for (tau, alpha), scores in VAL.items()
            ),
            searched={"objective.alpha": 0.9},
        )
        for seed in (0, 1)
    ]
    drawn = picture(tmp_path, [*plans, stochastic(0), stochastic(1)])
    validation = drawn.figure.axes[0]

    (mesh,) = [child for child in validation.get_children() if isinstance(child, QuadMesh)]
    np.testing.assert_allclose(
        np.asarray(mesh.get_array()), [[91.0, 85.0], [75.0, 93.0]]
    )  # alpha upwards, τ to the right
    assert [text.get_text() for text in validation.get_xticklabels()] == ["2", "4"]
    assert [text.get_text() for text in validation.get_yticklabels()] == ["0.5", "0.9"]

    # Seed 0 chose τ=4 with 0.9, seed 1 τ=2 with 0.5.
    assert [(int(tau), int(alpha)) for tau, alpha in rings(validation)] == [(1, 1), (0, 0)]
    assert "best at τ=4, objective.alpha=0.9" in drawn.alt


@pytest.mark.parametrize("values", [(0.01, 0.2), ("linear", "cosine")])
def test_a_search_is_a_map_of_dots(values: tuple[float | str, float | str], tmp_path: Path) -> None:
    trials = [
        Trial(tau=3.5, others={"training.lr": values[0]}, val_score=0.8, test_score=0.7),
        Trial(tau=7.5, others={"training.lr": values[1]}, val_score=0.9, test_score=0.6),
    ]
    plan = Plan(strategy="optuna", kind=StrategyKind.SEARCH, seed=0, trials=trials, searched={"training.lr": values[0]})
    axes = picture(tmp_path, [plan, stochastic(0)]).figure.axes[0]

    (dots,) = [child for child in axes.get_children() if isinstance(child, PathCollection)]
    np.testing.assert_allclose(np.asarray(dots.get_array()), [80.0, 90.0])
    heights = values if isinstance(values[0], float) else (1, 0)  # words from below in the order of the alphabet
    np.testing.assert_allclose(np.asarray(dots.get_offsets()), [(3.5, heights[0]), (7.5, heights[1])])
    assert rings(axes) == [(7.5, heights[1])]


def test_without_a_second_setting_there_is_no_map(tmp_path: Path) -> None:
    with pytest.raises(StopIteration):
        picture(tmp_path, [grid(0, Trial(tau=2), Trial(tau=4))])
