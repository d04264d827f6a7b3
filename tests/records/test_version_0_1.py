"""A sweep that greenkd 0.1 wrote is analysed, and its half-finished campaign goes on to the end that 0.1 reached.

`written_by_0_1/` holds what this command left when it was killed in the second trial of the grid, and in
`finished.json` what the same version ended with where nobody killed it:

    python run.py -m temperature=stochastic,grid_coarse energy=cpu_time training.epochs=6 training.teacher.epochs=3 \
        training.batch_size=64 training.checkpoint_every_s=0.001 student.width=8 teacher.width=8 device=cpu threads=1
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import analysis
from greenkd.campaign.campaign import run_campaign
from greenkd.campaign.console import Reporter
from greenkd.campaign.reading import read_settings
from greenkd.identity import campaign_folder
from greenkd.records import LedgerRow, TrialRow, TrialStatus, read_campaign, read_rows, read_teacher
from greenkd.training.stop_signals import StopFlag
from tests.campaigns import composed

WRITTEN = Path(__file__).parent / "written_by_0_1"
OVERRIDES = (
    "temperature=grid_coarse",
    "energy=cpu_time",
    "training.epochs=6",
    "training.teacher.epochs=3",
    "training.batch_size=64",
    "training.checkpoint_every_s=0.001",
    "student.width=8",
    "teacher.width=8",
    "device=cpu",
    "threads=1",
)


def alike(value: float) -> Any:
    """Equal but for the last bits: the processor that 0.1 ran on may have had other instructions than this one."""
    return pytest.approx(value, rel=1e-4)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    shutil.copytree(WRITTEN, tmp_path / "written")
    return tmp_path / "written"


def test_its_records_are_read_under_the_names_of_today(written: Path) -> None:
    (folder,) = (written / "sweep").glob("*/*/*/stochastic/*")
    record = read_campaign(folder / "campaign.json")
    before = json.loads((folder / "campaign.json").read_text())
    assert before["schema_version"] == 1
    assert record.metric == "accuracy"
    assert record.test_score == before["test_accuracy"]
    assert record.tests[0].score == before["tests"][0]["accuracy"]
    assert record.teacher_result is not None
    assert record.teacher_result.val_score == before["teacher_result"]["val_accuracy"]
    (teacher,) = (written / "cache" / "teachers").iterdir()
    assert read_teacher(teacher / "teacher.json") == record.teacher_result


def test_it_is_analysed(written: Path) -> None:
    sweep = analysis.load(written / "sweep")
    running, killed = (problem.what for problem in sweep.problems)
    assert running == "grid_coarse seed 0 is running, 1 of 4 trials complete"
    assert killed.startswith("trial 1 attempt 0 never finished")
    campaigns = sweep.campaigns.set_index("strategy")
    assert campaigns.loc["stochastic", "test_score"] == pytest.approx(0.37047353760445684)
    assert campaigns.loc["grid_coarse", "status"] == "running"
    assert len(sweep.epochs) == 6 + 9
    assert analysis.compare(sweep).table["strategy"].tolist()


def test_its_campaign_goes_on_to_the_same_end(written: Path) -> None:
    settings = read_settings(composed(*OVERRIDES) | {"cache_dir": str(written / "cache")})
    folder = written / "sweep" / campaign_folder(settings.config)
    assert folder.exists(), "the campaign's id has changed"
    ledger = read_rows(folder / "ledger.jsonl", LedgerRow).rows

    record = run_campaign(settings, folder, StopFlag(), Reporter())

    finished = json.loads((WRITTEN / "finished.json").read_text())
    assert record.chosen_trial == finished["chosen_trial"]
    assert record.test_score == alike(finished["test_accuracy"])
    assert [(test.trial, test.score, test.loss) for test in record.tests] == [
        (test["trial"], alike(test["accuracy"]), alike(test["loss"])) for test in finished["tests"]
    ]
    rows = [row for row in read_rows(folder / "trials.jsonl", TrialRow).rows if row.status is TrialStatus.COMPLETE]
    assert [(row.trial, row.params, row.val_score, row.val_loss, row.train_loss) for row in rows] == [
        (row["trial"], row["params"], *(alike(row[name]) for name in ("val_accuracy", "val_loss", "train_loss")))
        for row in finished["trials"]
    ]
    assert rows[1].attempt == 1, "the killed attempt stays on record"
    assert read_rows(folder / "ledger.jsonl", LedgerRow).rows[: len(ledger)] == ledger
