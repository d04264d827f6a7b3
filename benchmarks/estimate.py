"""Whether estimates hold: ten different small sweeps, each estimated and then run. `python -m benchmarks.estimate`.

Strategies, networks, objectives, seeds, trials side by side and meters differ from sweep to sweep. Each is typed twice
in a folder of its own, with an empty cache: with `estimate=true`, then without. For FLOPs, CPU seconds and kWh the
table says what was estimated, what the ledgers hold at the end, and whether the one is within the other's range.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.pairs import machine
from greenkd.records import CostEstimate, EstimateOutcome, EstimateRecord, read_estimate

ROOT = Path(__file__).parents[1]
SWEEPS = (
    "temperature=grid_coarse,stochastic,fixed seed=0,1",
    "temperature=grid,stochastic training.epochs=10 energy=carbontracker",
    "temperature=optuna temperature.n_trials=4 objective=crd",
    "objective=dkd student=resnet8 teacher=resnet20 temperature=grid_coarse,stochastic training.epochs=3",
    "temperature=grid_coarse,fixed seed=0,1 training.parallel_trials=2",
    "temperature=stochastic seed=0,1,2 energy=cpu_time",
    "temperature=grid temperature.taus=[2,4,6,8,10,12] training.parallel_trials=2 training.epochs=15",
    "temperature=fixed,stochastic student.width=12 training.batch_size=64 energy=both",
    "objective=none,kd temperature=fixed seed=0,1 training.bank=false",
    "temperature=grid_coarse,schedule order=sequential training.validate_every=5 energy.cpu_tdp_w=65",
)


def run(folder: Path, *arguments: str) -> None:
    """Types a command in a folder; its meters know of no other folder's."""
    subprocess.run(
        [sys.executable, str(ROOT / "run.py"), "-m", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def estimated(sweep: str) -> EstimateRecord:
    """Estimates and runs a sweep, and returns the settled estimate."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(folder, *sweep.split(), "estimate=true")
        run(folder, *sweep.split())

        record = read_estimate(folder / "multirun" / "default" / "estimate.json")
    if record is None or record.outcome is None:
        raise RuntimeError(f"{sweep}: the estimate was not settled")
    return record


def covered(total: CostEstimate, outcome: EstimateOutcome) -> tuple[bool, bool, bool]:
    """Returns whether FLOPs are exact, and whether CPU seconds and kWh lie in their ranges."""
    least_kwh, most_kwh, spent_kwh = total.energy_low_kwh, total.energy_high_kwh, outcome.energy_kwh
    if least_kwh is None or most_kwh is None or spent_kwh is None:
        raise RuntimeError("an energy is not known")
    return (
        total.flops == outcome.flops,
        total.low * total.cpu_s <= outcome.cpu_s <= total.high * total.cpu_s,
        least_kwh <= spent_kwh <= most_kwh,
    )


def row(sweep: str, record: EstimateRecord, within: tuple[bool, bool, bool]) -> str:
    """Returns the table's row of one sweep."""
    total, outcome = record.total, record.outcome
    assert outcome is not None
    mwh = [1e6 * (value or 0.0) for value in (total.energy_low_kwh, total.energy_high_kwh, total.energy_kwh)]
    flops, cpu, energy = ("yes" if hit else "no" for hit in within)

    cells = [
        f"`{sweep}`",
        f"{(total.flops or 0) / 1e9:.3f}",
        f"{(outcome.flops or 0) / 1e9:.3f}",
        flops,
        f"{total.cpu_s:.1f} ({total.low * total.cpu_s:.1f} to {total.high * total.cpu_s:.1f})",
        f"{outcome.cpu_s:.1f}",
        cpu,
        f"{mwh[2]:.0f} ({mwh[0]:.0f} to {mwh[1]:.0f})",
        f"{1e6 * (outcome.energy_kwh or 0):.0f}",
        energy,
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Estimates and runs the sweeps, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of sweeps, from 0 (all)")
    options = parser.parse_args()

    print(machine())
    print("| sweep | GFLOPs | spent | equal | CPU s (range) | spent | within | mWh (range) | spent | within |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    hits: list[tuple[bool, bool, bool]] = []
    for number, sweep in enumerate(SWEEPS):
        if options.only is None or number in options.only:
            record = estimated(sweep)
            assert record.outcome is not None
            hits.append(covered(record.total, record.outcome))
            print(row(sweep, record, hits[-1]), flush=True)

    counts = [sum(hit) for hit in zip(*hits, strict=True)]
    print(f"\nof {len(hits)}: FLOPs equal {counts[0]}, CPU seconds within {counts[1]}, kWh within {counts[2]}")


if __name__ == "__main__":
    main()
