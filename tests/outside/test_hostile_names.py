"""Names that others wrote into records: no terminal obeys them, no log stops at them, no link is written through."""

import dataclasses
import logging
import subprocess
import sys
from pathlib import Path

import pytest

import analysis
from analysis.cli import main
from analysis.views.output import write_output
from greenkd.campaign.console import ConsoleHandler, Reporter
from greenkd.output_encoding import PrintableFormatter, printable
from greenkd.records import read_campaign, write_campaign
from greenkd.sweep.terminal import show
from tests.analysis.sweeps import write_sweep

STEERING = "\x1b]0;owned\x07\x1b[31mred\x9b2J\u202egnp"


def hostile_sweep(root: Path, name: str) -> Path:
    write_sweep(root, seeds=(0, 1))
    for path in root.rglob("campaign.json"):
        record = read_campaign(path)
        write_campaign(path, dataclasses.replace(record, strategy=f"{record.strategy}{name}", message=name))
    return root


def is_harmless(text: str) -> bool:
    return printable(text) == text


@pytest.mark.parametrize("form", ["terminal", "md", "latex", "csv", "html"])
def test_no_escape_sequence_in_a_record_reaches_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    hostile_sweep(tmp_path, STEERING)
    assert main([str(tmp_path), "--format", form]) == 0
    out, err = capsys.readouterr()
    assert "owned" in out
    assert is_harmless(out + err)


def test_nor_does_one_in_a_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / STEERING)]) == 2
    folder = write_sweep(tmp_path / f"x{STEERING}", seeds=(0,))
    (folder / "processes.jsonl").write_text("{}\n")
    assert main([str(folder)]) == 0
    out, err = capsys.readouterr()
    assert "processes.jsonl" in out
    assert is_harmless(out + err)


@pytest.mark.parametrize("name", [STEERING, "half \udcff of a pair"], ids=["steering", "half a pair"])
def test_log_lines_are_shown_and_kept_by_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    log = logging.getLogger("greenkd")
    monkeypatch.setattr(log, "propagate", False)  # what pytest keeps of the log cannot be sent to another process
    handlers = [ConsoleHandler(), logging.FileHandler(tmp_path / "run.log", encoding="utf-8")]
    handlers[1].setFormatter(PrintableFormatter("%(message)s"))
    for handler in handlers:
        log.addHandler(handler)
    try:
        Reporter().warn(f"strategy {name}")
        show(f"error: {name}")
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()
    out, err = capsys.readouterr()
    written = (tmp_path / "run.log").read_text(encoding="utf-8")
    assert "Logging error" not in err
    assert is_harmless(out + written)
    assert f"strategy {printable(name)}" in written


def test_half_a_surrogate_pair_in_a_record_is_written_by_number_and_analysed(tmp_path: Path) -> None:
    hostile_sweep(tmp_path, "\udcff")
    assert {record.message for record in analysis.load(tmp_path).records.values()} == {"\\udcff"}
    assert main([str(tmp_path), "--report", "--format", "none"]) == 0
    assert "\\udcff" in (tmp_path / "comparison.csv").read_text(encoding="utf-8")


def test_the_analysis_writes_through_no_link(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "sweep", seeds=(0, 1))
    (tmp_path / "theirs").write_text("theirs")
    names = ("comparison.csv", "comparison.md", "comparison.tex", "verdict.csv", "report.html")
    for name in names:
        (sweep / name).symlink_to(tmp_path / "theirs")
    assert main([str(sweep), "--report", "--format", "none"]) == 0
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert not any((sweep / name).is_symlink() for name in names)


def test_a_folder_that_is_a_link_is_written_into(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    write_output(tmp_path / "out" / "a.md", "text")
    assert (tmp_path / "disk" / "a.md").read_text() == "text"


def test_a_command_in_a_folder_that_is_no_utf_8_ends_as_any_other(tmp_path: Path) -> None:
    folder = tmp_path / "caf\udce9"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "analysis", str(folder)], capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "no campaign found below" in done.stderr
