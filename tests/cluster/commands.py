"""Commands of a user, typed in a folder, and what they leave."""

import json
from collections.abc import Sequence
from pathlib import Path

from tests.commands import RUN, Command

GRID = (
    "temperature=grid",
    "temperature.taus=[1,2,4,8,16]",
    "energy=simulated",
    "training.epochs=3",
    "training.teacher.epochs=1",
    "training.batch_size=64",
    "student.width=4",
)


def start(folder: Path, *words: str, program: Sequence[str] = RUN, **environment: str) -> Command:
    """Types `python run.py …`, or another program of Python, in a folder."""
    return Command(*words, cwd=folder, program=program, **environment)


def output_of(process: Command, code: int = 0) -> str:
    """Waits for a command, and returns what it printed."""
    output, _ = process.communicate(timeout=280)
    assert process.returncode == code, output
    return output


def submit(folder: Path, slurm: dict[str, str], *words: str) -> str:
    """Types `greenkd submit …`, and returns what it printed."""
    return output_of(start(folder, "submit", *words, program=("-m", "greenkd"), SLURM_CONF=slurm["SLURM_CONF"]))


def results(folder: Path) -> dict[tuple[str, int], tuple[object, ...]]:
    """Returns what the last row of each trial says that depends on no clock, by strategy and trial."""
    columns = ("status", "params", "val_score", "val_loss")
    found = {}
    for campaign in folder.glob("multirun/*/*/*/*/*/seed*"):
        lines = [line for file in campaign.glob("trials*.jsonl") for line in file.read_text().splitlines()]
        for row in sorted(map(json.loads, lines), key=lambda row: row["attempt"]):
            found[campaign.parent.name, row["trial"]] = tuple(row[column] for column in columns)
    return found


def epochs(folder: Path) -> int:
    """Returns how many epochs of students are on record."""
    return sum(len(file.read_text().splitlines()) for file in folder.glob("multirun/**/epochs*.jsonl"))
