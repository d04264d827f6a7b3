"""What the starts of a command, a campaign, the next campaign and a worker cost. `python -m benchmarks.startup`.

Runs `run.py --help`, then campaigns whose teacher is in the cache, each one training of one epoch on the digits: one
alone, as `python run.py` runs it, then three in a sweep, then a grid whose trials are shared with a worker process. A
campaign's fixed cost is everything in its ledger besides its steps, validation, test and metered inference: meters,
data, networks, study, records, and its share of the command's start.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.pairs import machine
from greenkd.records import LedgerRow, Phase, ProcessRow, find_campaigns, read_rows

ROOT = Path(__file__).parents[1]
CAMPAIGN = ("temperature=fixed", "training.epochs=1", "training.teacher.epochs=1")
SHARED_GRID = ("temperature=grid", "temperature.taus=[2,4,6,8,10,12]", "training.parallel_trials=2", *CAMPAIGN[1:])
# What torch.optim, an Optuna study in a database, and CodeCarbon import, before any of them does anything.
IMPORTS = "import hydra, torch, torch._dynamo, optuna, sqlalchemy.orm, alembic.context, pandas, requests"
_VARIABLE = (Phase.STUDENT_TRAINING, Phase.VALIDATION, Phase.TEST, Phase.INFERENCE, Phase.TEACHER_LOGITS)


def run(folder: Path, *arguments: str, program: str | None = None) -> float:
    """Runs `run.py` with arguments, or a program of Python text, and returns its seconds."""
    started = time.monotonic()
    subprocess.run(
        [sys.executable, *(["-c", program] if program else [str(ROOT / "run.py")]), *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.monotonic() - started


def show(title: str, whole_s: float, sweep: Path) -> None:
    """Prints the fixed costs of a command's campaigns, in the order they ran in."""
    (process,) = read_rows(sweep / "processes.jsonl", ProcessRow).rows
    print(f"{title}, teacher in the cache: {whole_s:.1f} s, {process.cpu_s:.1f} CPU s, of which fixed")

    ledgers = [read_rows(path / "ledger.jsonl", LedgerRow).rows for path in find_campaigns(sweep)]
    for number, rows in enumerate(sorted(ledgers, key=lambda rows: min(row.started_at for row in rows)), 1):
        fixed = [row for row in rows if row.phase not in _VARIABLE]
        start = [row for row in fixed if any("start-up" in warning for warning in row.warnings)]

        wall_s, cpu_s = sum(row.duration_s for row in fixed), sum(row.cpu_s or 0 for row in fixed)
        share_s, share_cpu_s = sum(row.duration_s for row in start), sum(row.cpu_s or 0 for row in start)
        print(
            f"  campaign {number}: {wall_s:.2f} s, {cpu_s:.2f} CPU s: {wall_s - share_s:.2f} s, "
            f"{cpu_s - share_cpu_s:.2f} CPU s of its own, "
            f"and {share_s:.2f} s, {share_cpu_s:.2f} CPU s as its share of the command's start"
        )


def show_worker(sweep: Path) -> None:
    """Prints what the worker of a sweep's campaign costs besides its trials."""
    (process,) = read_rows(sweep / "processes.jsonl", ProcessRow).rows
    (folder,) = find_campaigns(sweep)
    rows = [row for row in read_rows(folder / "ledger.jsonl", LedgerRow).rows if row.pid != process.pid]

    overhead = [row for row in rows if row.phase is Phase.OVERHEAD]
    wall_s, cpu_s = sum(row.duration_s for row in overhead), sum(row.cpu_s or 0 for row in overhead)
    trials = len({row.trial for row in rows} - {None})
    print(f"a worker process: {wall_s:.2f} s, {cpu_s:.2f} CPU s for its start and between its {trials} trials")


def main() -> None:
    """Runs the commands and prints what they took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=3, help="of all but the three campaigns (3)")
    options = parser.parse_args()

    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"run.py --help: {min(run(folder, '--help') for _ in range(options.repetitions)):.2f} s, the fastest")

        run(folder, *CAMPAIGN, "sweep=first", "temperature.tau=2")
        for number in range(options.repetitions):
            print(f"other packages' imports alone: {run(folder, program=IMPORTS):.1f} s")
            whole_s = run(folder, *CAMPAIGN, f"sweep=alone{number}", f"temperature.tau={3 + number}")
            show("one campaign", whole_s, folder / "multirun" / f"alone{number}")

        whole_s = run(folder, "-m", *CAMPAIGN, "sweep=three", "temperature.tau=30,40,50")
        show("three campaigns", whole_s, folder / "multirun" / "three")

        run(folder, *SHARED_GRID, "sweep=shared")
        show_worker(folder / "multirun" / "shared")


if __name__ == "__main__":
    main()
