"""How far a running sweep is, from planted records: counts, the best trial, what leads, time left, widths."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

import analysis
from analysis.results.progress import SILENT_S, SweepWatcher, is_over, time_left_s
from analysis.views.watch import draw
from greenkd.records import CampaignStatus, Source, TrialStatus
from tests.analysis.plans import Trial, grid, stochastic
from tests.analysis.sweeps import write_sweep

# Four τ of 36 s: one complete, one failed, one killed at some epoch, one to come.
RUNNING = grid(
    0,
    Trial(tau=2, val_score=0.91),
    Trial(tau=4, status=TrialStatus.FAILED, val_score=None, test_score=None),
    Trial(tau=8, status=TrialStatus.INTERRUPTED, val_score=None, test_score=None, seconds=18.0),
    planned=4,
    epochs=3,
    status=CampaignStatus.RUNNING,
    source=Source.MODELLED,
)


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    write_sweep(tmp_path, [RUNNING, stochastic(0, source=Source.MODELLED)])
    return tmp_path


def text(folder: Path, width: int) -> list[str]:
    with Path(os.devnull).open("w") as nowhere:
        console = Console(width=width, record=True, file=nowhere)
        console.print(draw(SweepWatcher([folder]).read(), console))
        return console.export_text().splitlines()


def test_a_running_campaign_is_counted(sweep: Path) -> None:
    running, done = SweepWatcher([sweep]).read()
    assert (running.status, running.planned, running.ended, running.failed, running.running) == ("running", 4, 1, 1, 1)
    assert running.best is not None
    assert running.best.params == {"tau": 2}
    assert not running.is_measured
    assert running.left_s == pytest.approx(2 * running.trial_s - 18.0)
    assert (done.status, done.left_s) == ("done", 0.0)
    assert time_left_s([running, done]) == running.left_s
    assert not is_over([running, done])
    assert is_over([done])


def test_a_campaign_that_writes_nothing_any_more_has_stopped(sweep: Path) -> None:
    long_ago = time.time() - SILENT_S - 1
    for file in sweep.rglob("*.jsonl"):
        os.utime(file, (long_ago, long_ago))
    stopped, _ = SweepWatcher([sweep]).read()
    assert (stopped.status, stopped.running) == ("stopped", 0)
    assert text(sweep, 80)[0] == "2 campaigns: 1 done, 1 stopped", "no time is left to wait"


def test_new_lines_are_seen_and_announced_campaigns_listed(sweep: Path, tmp_path: Path) -> None:
    watcher = SweepWatcher([sweep])
    before = watcher.read()[0]
    file = next(file for file in sweep.rglob("ledger.jsonl") if "grid" in file.parts)
    whole = file.read_text()
    file.write_text(whole + whole.splitlines()[0] + "\n")
    announced = Path("digits", "wide-narrow", "kd", "optuna", "seed3-0123456789")
    (sweep / announced).mkdir(parents=True)
    (sweep / announced / "plan.json").touch()
    (sweep / "tensorboard" / announced / "trial0").mkdir(parents=True)  # a logger's
    after = watcher.read()
    assert (after[0].cpu_s or 0) > (before.cpu_s or 0)
    assert [campaign.labels for campaign in after if campaign.status == "to do"] == [
        ("digits, wide → narrow, kd", "optuna")
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_the_view_fits_and_says_what_leads(sweep: Path, width: int) -> None:
    lines = text(sweep, width)
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("2 campaigns: 1 done, 1 running; ≈ ")
    row = next(line for line in lines if line.startswith("grid"))
    assert re.split(r"\s+", row)[1:] == ["0/1", "1/4", "1", "1", "91.00", "2", row.split()[7], "≈", *row.split()[9:]]
    assert any("CPU s" in line for line in lines), "no sensor was read"


def test_energy_leads_where_a_sensor_was_read(tmp_path: Path) -> None:
    write_sweep(tmp_path, [stochastic(0, source=Source.MEASURED)])
    assert any("energy, " in line for line in text(tmp_path, 120))


def test_it_ends_when_all_is_done(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waits: list[float] = []

    def interrupt(seconds: float) -> None:
        waits.append(seconds)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        analysis.watch([sweep], Console(force_terminal=True, width=100), wait=interrupt)
    assert len(waits) == 1
    assert "running" in capsys.readouterr().out

    write_sweep(sweep / "other", [stochastic(2)])
    analysis.watch([sweep / "other"], Console(force_terminal=True, width=100), wait=waits.append)
    assert len(waits) == 1, "nothing was left to wait for"


def test_without_a_terminal_it_is_printed_once(sweep: Path) -> None:
    command = [sys.executable, "-m", "analysis", str(sweep), "--watch"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    assert done.stdout.startswith("2 campaigns: ")
    assert "\x1b" not in done.stdout


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(analysis.AnalysisError, match="is no folder"):
        analysis.watch([tmp_path / "nothing"])
