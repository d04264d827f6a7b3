"""Messages say what the user typed: `greenkd`, or the files and modules of a checkout."""

import sys
from pathlib import Path

import pytest

from greenkd import whereabouts


@pytest.mark.parametrize(
    ("program", "line", "sweep", "analysis"),
    [
        ("/env/bin/greenkd", "greenkd -m seed=0", "greenkd", "greenkd-analysis"),
        ("C:\\env\\greenkd.exe".replace("\\", "/"), "greenkd -m seed=0", "greenkd", "greenkd-analysis"),
        ("/env/bin/greenkd-analysis", "greenkd-analysis -m seed=0", "greenkd", "greenkd-analysis"),
        ("run.py", "python run.py -m seed=0", "python run.py", "python -m analysis"),
        ("/tree/analysis/__main__.py", "python -m analysis -m seed=0", "python run.py", "python -m analysis"),
        ("/tree/greenkd/__main__.py", "python -m greenkd -m seed=0", "python run.py", "python -m analysis"),
    ],
)
def test_the_words_are_those_that_were_typed(
    program: str, line: str, sweep: str, analysis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GREENKD_COMMAND", raising=False)
    monkeypatch.setattr(sys, "argv", [program, "-m", "seed=0"])
    assert whereabouts.typed_line() == line
    assert (whereabouts.sweep_command(), whereabouts.analysis_command()) == (sweep, analysis)
    assert whereabouts.tools_command() == ("greenkd" if sweep == "greenkd" else "python -m greenkd")


def test_a_process_of_a_launcher_speaks_as_the_command_it_belongs_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENKD_COMMAND", "greenkd -m seed=0,1")
    monkeypatch.setattr(sys, "argv", ["/env/submitit/core/_submit.py", "folder"])
    assert whereabouts.sweep_command() == "greenkd"
    assert whereabouts.typed_line() == "greenkd -m seed=0,1"


def test_without_a_checkout_there_is_only_the_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GREENKD_COMMAND", raising=False)
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py"])
    monkeypatch.setattr(whereabouts, "_RUN_PY", tmp_path / "run.py")
    assert (whereabouts.sweep_command(), whereabouts.analysis_command()) == ("greenkd", "greenkd-analysis")
