"""How fast are hundreds of campaigns loaded and compared? `python -m benchmarks.analysis`.

Writes 500 campaigns × 20 trials × 100 epochs (a million epoch rows, three ledger rows per trial) to a temporary folder,
then, in a process of its own, loads all frames, the epochs included, compares, and gives the verdicts. Target: 20 s and
2 GB on two cores. Prints the seconds and the peak memory of that process.
"""

import argparse
import dataclasses
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.analysis.sweeps import Plan, standard_plans, write_sweep

_MEASURED = """
import resource, sys, time
start = time.perf_counter()
import analysis
sweep = analysis.load(sys.argv[1])
epochs = len(sweep.epochs)
loaded = time.perf_counter()
comparison = analysis.compare(sweep)
verdicts = analysis.verdicts(comparison)
done = time.perf_counter()
cpu = time.process_time()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
print(f"{len(sweep.campaigns)} campaigns, {len(sweep.trials)} trials, {epochs} epochs, {len(sweep.ledger)} ledger rows")
print(f"load {loaded - start:.1f} s, compare and verdict {done - loaded:.1f} s, together {done - start:.1f} s")
print(f"of which CPU time {cpu:.1f} s: on a busy machine the rest is waiting")
analysis.cost_to_reach(sweep, comparison.runs)
print(f"cost to reach {time.perf_counter() - done:.1f} s more")
print(f"peak memory {peak:.2f} GB; {len(comparison.table)} rows compared, {len(verdicts)} verdicts")
"""


def main() -> None:
    """Writes the records, measures, removes them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, default=500, help="campaigns (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=100, help="epochs per trial (default: %(default)s)")
    options = parser.parse_args()

    folder = Path(tempfile.mkdtemp(prefix="analysis-"))
    try:
        start = time.perf_counter()
        seeds = 5
        for setting in range(options.campaigns // (2 * seeds)):
            plans = standard_plans(
                seeds=range(seeds), taus=range(2, 22), epochs=options.epochs, heartbeats=2, salt=setting
            )
            write_sweep(folder, [_twenty(plan, setting) for plan in plans])
        print(f"written in {time.perf_counter() - start:.1f} s", flush=True)

        subprocess.run([sys.executable, "-c", _MEASURED, str(folder)], check=True)
    finally:
        shutil.rmtree(folder)


def _twenty(plan: Plan, setting: int) -> Plan:
    """Returns the same campaign with twenty trials, in a setting of its own."""
    trials = list(plan.trials) * (20 // len(plan.trials))
    return dataclasses.replace(plan, trials=trials, steps=0, setting_id=f"{setting:06x}", dataset=f"data{setting}")


if __name__ == "__main__":
    main()
