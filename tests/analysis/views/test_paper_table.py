"""The published table, and ours beside it."""

from pathlib import Path

import analysis
from analysis.views.paper_table import TABLE_4, paper_table
from tests.analysis.sweeps import write_sweep


def test_the_papers_table_is_complete_and_consistent() -> None:
    assert len(TABLE_4) == 24
    tuned = {(row.dataset, row.loss): row for row in TABLE_4 if row.method == "tuned"}
    for row in TABLE_4:
        if row.method == "stochastic":  # 19 or 20 trainings, as the dossier derives
            assert 18.9 < tuned[row.dataset, row.loss].gflops_millions / row.gflops_millions < 20.1
            assert 17.5 < tuned[row.dataset, row.loss].co2eq_g / row.co2eq_g < 20.5


def test_ours_stand_beside_the_published_rows(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=(0, 1), dataset="cifar10")
    table = paper_table(analysis.compare(analysis.load(tmp_path)))
    assert table.rows[0][:5] == ("CIFAR-10", "HKD", "tuned", "published", "91.78 ± 0.14")
    assert table.rows[1][3].startswith("ours: grid")
    assert len(table.rows) == 26


def test_detection_stands_beside_the_papers_voc_rows(tmp_path: Path) -> None:
    for objective in ("ssd_kd", "ssd_dml"):
        write_sweep(tmp_path, dataset="voc", objective=objective, metric="mAP")
    rows = paper_table(analysis.compare(analysis.load(tmp_path))).rows
    of_voc = [row[:4] for row in rows if row[0] == "PASCAL VOC"]
    ours = [(*row[:3], row[3].startswith("ours: ")) for row in of_voc if row[3] != "published"]
    assert ours == [("PASCAL VOC", loss, method, True) for loss in ("HKD", "DML") for method in ("tuned", "stochastic")]
    assert of_voc[0] == ("PASCAL VOC", "HKD", "tuned", "published")
    assert of_voc[1][3].startswith("ours: grid")
