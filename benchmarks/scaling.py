"""What one more τ costs. `python -m benchmarks.scaling`.

Campaigns of 1, 2, 5, 10 and 19 τ, each with an empty cache, and plain cross-entropy trainings of the same student.
Fits cost = fixed + slope × τ by least squares and compares the slope with the plain training; the target is 1.15.
CPU seconds are compared: on a shared machine the wall clock measures other work too. One process, one thread.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import torch

from benchmarks.pairs import PAIRS, campaign, machine, teacher_weights


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=640, help="training images per epoch (640)")
    parser.add_argument("--pair", choices=PAIRS, default="resnet8x4-resnet20")
    parser.add_argument("--trials", type=int, nargs="+", default=[1, 2, 5, 10, 19])
    options = parser.parse_args()

    torch.set_num_threads(1)
    print(machine())
    teacher, student = PAIRS[options.pair]
    print(f"{options.pair}, {options.images} images, 1 epoch")
    print("| trainings | CPU s | wall s |\n| --- | --- | --- |", flush=True)

    # Half of the plain trainings before the campaigns and half after them, in case the machine's speed changes.
    plain = [_cost(options.images, f"student={student}", "objective=none", "temperature=fixed") for _ in range(4)]
    costs, trainings = [], []
    for number in options.trials:
        with tempfile.TemporaryDirectory() as folder:
            weights = teacher_weights(teacher, Path(folder) / "teacher.safetensors")
            taus = ",".join(str(2 + index) for index in range(number))
            run = campaign(
                Path(folder),
                options.images,
                f"teacher={teacher}",
                f"teacher.weights={weights}",
                f"student={student}",
                "temperature=grid",
                f"temperature.taus=[{taus}]",
                "threads=1",
            )

        costs.append(run.grid.cpu)
        trainings.append(run.trial_cpu)
        print(f"| {number} τ | {run.grid.cpu:.2f} | {run.grid.wall:.2f} |", flush=True)

    plain += [_cost(options.images, f"student={student}", "objective=none", "temperature=fixed") for _ in range(4)]

    baseline = statistics.median(plain)
    slope, fixed = statistics.linear_regression(options.trials, costs)
    print(f"| plain cross-entropy | {baseline:.2f} [{min(plain):.2f}, {max(plain):.2f}] | |")
    print(f"fixed {fixed:.2f} CPU s, one more τ {slope:.2f} CPU s: {slope / baseline:.3f} of a plain training")
    trial_slope = statistics.linear_regression(options.trials, trainings).slope
    print(
        f"of which its steps and validation {trial_slope:.2f} CPU s: {trial_slope / baseline:.3f} of a plain training"
    )


def _cost(images: int, *overrides: str) -> float:
    """Returns the CPU seconds of the trial itself; what a campaign costs besides is its fixed part."""
    with tempfile.TemporaryDirectory() as folder:
        run = campaign(Path(folder), images, *overrides, "threads=1")
        return run.trial_cpu


if __name__ == "__main__":
    main()
