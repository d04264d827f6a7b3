"""Headers, axes and sentences take the metric's name from the records."""

from pathlib import Path

import analysis
from analysis.views.figures import figures
from analysis.views.metric_words import metric_words
from analysis.views.verdict_table import verdict_table
from tests.analysis.plans import GRID, grid, stochastic
from tests.analysis.sweeps import write_sweep


def test_one_metric_has_its_name_and_several_are_scores() -> None:
    assert metric_words(["accuracy", "accuracy"]).header == "acc. %"
    assert metric_words(["mAP"]).header == "mAP %"
    assert metric_words(["dice"]).axis == "dice, %"
    assert metric_words(["accuracy", "mAP"]).header == "score %"
    assert metric_words(["accuracy"]).mean_sd(0.9, float("nan")) == "90.00"


def test_a_sweep_of_another_metric_is_not_called_accuracy(tmp_path: Path) -> None:
    write_sweep(tmp_path, [grid(0, *GRID, metric="mAP"), stochastic(0, metric="mAP")])
    sweep = analysis.load(tmp_path)
    comparison = analysis.compare(sweep)
    assert set(sweep.campaigns["metric"]) == set(comparison.table["metric"]) == {"mAP"}

    (table,) = analysis.comparison_tables(sweep, comparison)
    assert {"val. mAP %", "test mAP %"} <= set(table.header)
    assert "Gains in test mAP of" in verdict_table(analysis.verdicts(comparison)).title

    pictures = list(figures(sweep, comparison))
    assert {"map-vs-co2", "map-vs-tau"} <= {picture.name for picture in pictures}
    shown = [text for picture in pictures for text in (picture.title, picture.caption, picture.alt)]
    shown += [text for picture in pictures for texts in picture.points.values() for text in texts]
    shown += [axes.get_ylabel() for picture in pictures for axes in picture.figure.axes]
    assert not [text for text in shown if "accurac" in text.lower()]
