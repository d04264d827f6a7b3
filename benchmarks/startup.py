"""What starts cost: a command's, a campaign's, and the next campaign's. `python -m benchmarks.startup`.

Runs `run.py --help`, then a sweep of three campaigns whose teacher is in the cache, each one training of one epoch on
the digits, in processes of their own. A campaign's fixed cost is all that is on its bill besides its steps, validation,
test and metered inference: meters, data, networks, study, records, and its share of the command's start.
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
SWEEP = ("-m", "temperature=fixed", "training.epochs=1", "training.teacher.epochs=1")
_VARIABLE = (Phase.STUDENT_TRAINING, Phase.VALIDATION, Phase.TEST, Phase.INFERENCE, Phase.TEACHER_LOGITS)


def run(folder: Path, *arguments: str) -> float:
    """Types a command and returns its seconds."""
    started = time.monotonic()
    subprocess.run(
        [sys.executable, str(ROOT / "run.py"), *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.monotonic() - started


def main() -> None:
    """Runs the commands and prints what they took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=3, help="of --help, the fastest counts (3)")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"run.py --help: {min(run(folder, '--help') for _ in range(options.repetitions)):.2f} s")
        run(folder, *SWEEP, "sweep=first", "temperature.tau=2")
        whole = run(folder, *SWEEP, "sweep=second", "temperature.tau=3,4,5")
        sweep = folder / "multirun" / "second"
        (process,) = read_rows(sweep / "processes.jsonl", ProcessRow).rows
        print(f"three campaigns, teacher in the cache: {whole:.1f} s, {process.cpu_s:.1f} CPU s, of which fixed")
        bills = [read_rows(path / "ledger.jsonl", LedgerRow).rows for path in find_campaigns(sweep)]
        for number, rows in enumerate(sorted(bills, key=lambda rows: min(row.started_at for row in rows)), 1):
            fixed = [row for row in rows if row.phase not in _VARIABLE]
            start = [row for row in fixed if any("start-up" in warning for warning in row.warnings)]
            own_s = sum(row.duration_s for row in fixed) - sum(row.duration_s for row in start)
            cpu_s = sum(row.cpu_s or 0 for row in fixed) - sum(row.cpu_s or 0 for row in start)
            share = sum(row.duration_s for row in start), sum(row.cpu_s or 0 for row in start)
            print(
                f"  campaign {number}: {own_s:.2f} s, {cpu_s:.2f} CPU s of its own, "
                f"and {share[0]:.2f} s, {share[1]:.2f} CPU s as its share of the command's start"
            )


if __name__ == "__main__":
    main()
