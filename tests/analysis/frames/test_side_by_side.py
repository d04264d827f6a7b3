"""Several processes give what one gives, problems included, in its order."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

import analysis
from analysis.frames import side_by_side
from analysis.frames.side_by_side import mapped
from tests.analysis.plans import standard_plans
from tests.analysis.sweeps import write_sweep


def doubled(numbers: Sequence[int]) -> list[int]:
    return [2 * number for number in numbers]


def test_results_come_in_the_order_of_what_is_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "FEWEST_CAMPAIGNS", 10)
    parts = list(mapped(doubled, range(100), campaigns=100, processes=2))
    assert len(parts) > 2
    assert [number for part in parts for number in part] == list(range(0, 200, 2))
    assert list(mapped(doubled, range(3), campaigns=3, processes=2)) == [[0, 2, 4]]  # few: in this process, at once
    assert list(mapped(doubled, [], campaigns=0, processes=2)) == [[]]


SLOW = """
import os, time
from analysis.frames import side_by_side

def slow(numbers):
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    side_by_side.FEWEST_CAMPAIGNS = 1
    list(side_by_side.mapped(slow, range(4), campaigns=4, processes=2))
"""


def test_processes_end_with_the_first_one_where_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    workers = {process.stdout.readline() for _ in range(2)}
    assert len(workers) == 2
    process.kill()
    process.communicate(timeout=60)  # which ends when no process holds the output any more


def test_an_analysis_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        plans = standard_plans(seeds=(0, 1, 2), setting_id=f"{number:06x}", dataset=f"data{number}")
        write_sweep(tmp_path, plans)
    folders = sorted(path.parent for path in tmp_path.rglob("campaign.json"))
    (folders[1] / "campaign.json").write_text("{")
    with (folders[2] / "ledger.jsonl").open("ab") as file:
        file.write(b'{"torn')
    with (folders[-1] / "trials.jsonl").open("ab") as file:
        file.write(b'{"torn')
    (folders[4] / "tests.jsonl").write_text('{"trial": 0}\n')

    monkeypatch.setattr(side_by_side, "FEWEST_CAMPAIGNS", 1)
    alone, together = analysis.load(tmp_path), analysis.load(tmp_path, processes=2)
    of_alone, of_together = analysis.compare(alone), analysis.compare(together)
    judged = [verdict.sentence for verdict in analysis.verdicts(of_alone)]
    assert [verdict.sentence for verdict in analysis.verdicts(of_together)] == judged
    assert len(judged) > 3

    printed = []
    for comparison in (of_alone, of_together):
        tables = analysis.comparison_tables(comparison.sweep, comparison)
        analysis.print_results(comparison, tables, analysis.verdicts(comparison))
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert "×stochastic" in printed[0]

    for name in ("campaigns", "trials", "ledger", "epochs", "steps"):
        pd.testing.assert_frame_equal(getattr(together, name), getattr(alone, name))
    pd.testing.assert_frame_equal(of_together.table, of_alone.table)
    assert together.problems == alone.problems
    assert {Path(problem.where).name for problem in alone.problems} >= {"ledger.jsonl", "trials.jsonl"}
    assert sum(problem.where in map(str, folders) for problem in alone.problems) >= 2  # the record, the tests
