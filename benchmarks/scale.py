"""How long do commands on thousands of campaigns take? `python -m benchmarks.scale --campaigns 2000`.

Writes the records of a command whose campaigns are all done (`benchmarks.scale_records`), with twenty trials a campaign
on average: a fifth of them are stochastic τ with one, the others have 24 or 25. Then each part runs in a process of its
own: the comparison and the report (`python -m analysis`), the same command with `dry_run=true`, with `estimate=true`,
and once more as it is, which finds all campaigns done. Prints the wall-clock seconds of each part, the CPU seconds of
its processes together, the peak memory of the largest of them, and the files of the sweep.

Targets on two cores: 10,000 campaigns: comparison 60 s and 4 GB, dry run 10 s; 2,000 campaigns: report 60 s and 2 GB.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.scale_records import words, write_options, write_records

ROOT = Path(__file__).parents[1]
PARTS = ("comparison", "report", "dry_run", "estimate", "resume")


def command(part: str, campaigns: int) -> list[str]:
    """Returns the words of a part's command, typed in the folder above `conf` and `multirun`."""
    if part in ("comparison", "report"):
        return ["-m", "analysis", "multirun/scale", *(["--report"] if part == "report" else [])]

    more = [] if part == "resume" else [f"{part}=true"]
    return [str(ROOT / "run.py"), "--config-dir", "conf", "-m", *words(campaigns), *more]


def measure(part: str, campaigns: int, folder: Path, limit_s: float) -> None:
    """Runs a part in a process of its own and prints what it took."""
    started = time.monotonic()
    with (folder / f"{part}.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command(part, campaigns)],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        limit = threading.Timer(limit_s, process.kill)
        limit.start()
        _, status, used = os.wait4(process.pid, 0)
        limit.cancel()

    wall_s, cpu_s, peak_gb = time.monotonic() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024**2
    code = os.waitstatus_to_exitcode(status)
    ended = "" if code == 0 else f", ended with {code}"
    print(f"| {part} | {campaigns:,} | {wall_s:.1f} | {cpu_s:.1f} | {peak_gb:.2f} |{ended}", flush=True)


def main() -> None:
    """Writes the records, measures, removes them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, nargs="+", default=[2000, 10_000], help="2000 10000 by default")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what is measured; all by default")
    parser.add_argument("--limit-s", type=float, default=1800.0, help="seconds after which a part is ended (1800)")
    options = parser.parse_args()

    for campaigns in options.campaigns:
        with tempfile.TemporaryDirectory(prefix="scale-") as name:
            folder = Path(name)
            write_options(folder / "conf")
            trials = write_records(folder / "multirun" / "scale", folder / "conf", campaigns)
            files = [path for path in folder.rglob("*") if path.is_file()]
            size_gb = sum(path.stat().st_size for path in files) / 1e9
            print(f"\n{campaigns:,} campaigns, {trials:,} trials, {len(files):,} files, {size_gb:.2f} GB\n")

            print("| part | campaigns | wall s | CPU s | peak GB |\n| --- | ---: | ---: | ---: | ---: |")
            for part in options.parts:
                measure(part, campaigns, folder, options.limit_s)


if __name__ == "__main__":
    main()
