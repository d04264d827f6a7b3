"""Is anything lost when a campaign is killed? `python -m benchmarks.kill --kills 200`.

Kills small campaigns (random τ, a grid, trials in lockstep, rungs, a search, dropout, a learned τ, memory banks,
detection) with SIGKILL at random seconds, steps, writes and tests, half-written files included, lets them go on, and
compares weights, losses, τ and scores bit for bit with those of an uninterrupted run. Prints how many campaigns were
killed, resumed and ended identical, and how many ledger rows and finished trials were lost; the last two must be 0. A
kill takes about two seconds on an idle core. Exit code 1 if anything was lost or differs.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.killing import kill_many


def main() -> None:
    """Kills campaigns, compares their results, and prints the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="number of kills (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the numbers to this file as well")
    options = parser.parse_args()

    folder = Path(tempfile.mkdtemp(prefix="kill-"))
    print(f"seed {options.seed}, working in {folder}", flush=True)
    tally = kill_many(options.kills, options.seed, folder, lambda line: print(line, flush=True))

    for problem in tally.problems:
        print(f"problem: {problem}")
    print("moments: " + ", ".join(f"{place} {number}" for place, number in sorted(tally.places.items())))
    print(f"kills: {tally.kills}")
    print(f"resumed: {tally.resumed}")
    print(f"identical: {tally.identical}")
    print(f"killed attempts in the ledgers: {tally.attempts_killed}")
    print(f"ledger rows lost: {tally.rows_lost} of {tally.rows_checked}")
    print(f"finished trials lost: {tally.trials_lost} of {tally.trials_checked}")

    if options.json:
        numbers = {name: getattr(tally, name) for name in ("kills", "resumed", "identical", "rows_lost", "trials_lost")}
        options.json.write_text(json.dumps(numbers | {"places": tally.places, "problems": tally.problems}))

    sound = tally.resumed == tally.identical == tally.kills and not (tally.rows_lost or tally.trials_lost)
    sys.exit(0 if sound and not tally.problems else 1)


if __name__ == "__main__":
    main()
