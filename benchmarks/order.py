"""Whether its place in the command line decides what a strategy is charged. `python -m benchmarks.order`.

Three strategies train the same student at the same τ the same number of times (a grid whose τ are all 4 but for the
last digits, so that only their names differ), in one command, with all seeds. The same commands run with
`order=sequential` and with the default, and with the strategies listed forwards and backwards. A figure is CPU
milliseconds per image of student training and validation, and CPU seconds of a campaign's fixed cost of its own, by the
strategy's place in the command line; the ratio is that of the place listed first to the mean of those listed later.
`--root` prints the same of another version of the program.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.pairs import machine
from greenkd.records import UNMETERED, LedgerRow, Phase, find_campaigns, read_campaign, read_rows

ROOT = Path(__file__).parents[1]
STRATEGIES = ("first", "second", "third")
OPTION = """# A grid of equal trainings, for `benchmarks.order`.
name: {name}
_target_: greenkd.temperature.Grid
taus: {taus}
"""


def run(root: Path, folder: Path, names: list[str], order: str, seeds: int, epochs: int) -> Path:
    """Runs a sweep with the program in `root`, its teacher in the cache; returns the sweep's folder."""
    sweep = f"{order}-{'-'.join(names)}"
    subprocess.run(
        [
            sys.executable,
            str(root / "run.py"),
            "-m",
            f"--config-dir={folder / 'conf'}",
            f"temperature={','.join(names)}",
            f"seed={','.join(map(str, range(seeds)))}",
            f"order={order}",
            f"training.epochs={epochs}",
            f"sweep={sweep}",
            "energy=cpu_time",
        ],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(root)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return folder / "multirun" / sweep


def costs(sweep: Path) -> dict[str, tuple[float, float]]:
    """Returns, by strategy, CPU ms per image of its trials, and CPU s of fixed cost per campaign, start-up left out."""
    rows_of: dict[str, list[LedgerRow]] = {}
    for campaign in find_campaigns(sweep):
        name = read_campaign(campaign / "campaign.json").strategy
        rows_of.setdefault(name, []).extend(read_rows(campaign / "ledger.jsonl", LedgerRow).rows)

    result = {}
    for name, rows in rows_of.items():
        trials = [row for row in rows if row.phase in (Phase.STUDENT_TRAINING, Phase.VALIDATION)]
        fixed = [row for row in rows if row.phase is Phase.OVERHEAD and UNMETERED not in row.warnings]
        campaigns = len({row.campaign_id for row in rows})
        per_image_ms = 1e3 * sum(row.cpu_s or 0 for row in trials) / sum(row.images for row in trials)
        result[name] = per_image_ms, sum(row.cpu_s or 0 for row in fixed) / campaigns
    return result


def main() -> None:
    """Runs the commands and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2, help="(2)")
    parser.add_argument("--trials", type=int, default=3, help="of each campaign (3)")
    parser.add_argument("--epochs", type=int, default=12, help="of each trial (12)")
    parser.add_argument("--orders", nargs="+", default=["sequential", "auto"], help="(sequential auto)")
    parser.add_argument("--root", type=Path, default=ROOT, help="of another version of the program (this one's)")
    options = parser.parse_args()

    print(machine())
    print("| order | listed | CPU ms/image by place | first/later | fixed CPU s by place | first/later |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "conf" / "temperature").mkdir(parents=True)
        for number, strategy in enumerate(STRATEGIES):
            taus = [4 + 1e-6 * (number * options.trials + trial) for trial in range(options.trials)]
            path = folder / "conf" / "temperature" / f"{strategy}.yaml"
            path.write_text(OPTION.format(name=strategy, taus=taus))

        run(
            options.root, folder, ["first"], "sequential", options.seeds, options.epochs
        )  # fills the cache: teacher and logits
        for names in (list(STRATEGIES), list(reversed(STRATEGIES))):
            for order in options.orders:
                by_strategy = costs(run(options.root, folder, names, order, options.seeds, options.epochs))
                cells = []
                for column, digits in ((0, 4), (1, 2)):
                    by_place = [by_strategy[name][column] for name in names]
                    ratio = by_place[0] / statistics.fmean(by_place[1:])
                    cells += [", ".join(f"{value:.{digits}f}" for value in by_place), f"{ratio:.2f}"]
                print(
                    f"| `{order}` | {'forwards' if names[0] == STRATEGIES[0] else 'backwards'} | {' | '.join(cells)} |"
                )


if __name__ == "__main__":
    main()
