"""Commands of a user, typed in a folder, and what they leave."""

import json
from pathlib import Path

from tests.commands import Command

GRID = (
    "temperature=grid",
    "temperature.taus=[1,2,4,8,16]",
    "energy=simulated",
    "training.epochs=3",
    "training.teacher.epochs=1",
    "training.batch_size=64",
    "student.width=4",
)


def output_of(process: Command, code: int = 0) -> str:
    """Waits for a command, and returns what it printed."""
    output, _ = process.communicate(timeout=280)
    assert process.returncode == code, output
    return output


def results(folder: Path) -> dict[tuple[str, int], tuple[object, ...]]:
    """Returns what the last row of each trial says that depends on no clock, by strategy and trial."""
    columns = ("status", "params", "val_score", "val_loss")
    found = {}
    for campaign in folder.glob("multirun/*/*/*/*/*/seed*"):
        lines = [line for file in campaign.glob("trials*.jsonl") for line in file.read_text().splitlines()]
        for row in sorted(map(json.loads, lines), key=lambda row: row["attempt"]):
            found[campaign.parent.name, row["trial"]] = tuple(row[column] for column in columns)
    return found
