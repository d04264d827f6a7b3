"""What threads bring to a training step, and what they cost: `python -m benchmarks.threads`.

CPU and wall-clock milliseconds of one step of a student (forward, backward, SGD) at 32×32 pixels, the fewest of several
runs, for steps of rising arithmetic. More threads than CPUs show what a fixed number costs on a smaller machine.
`GOMP_SPINCOUNT=300000 python -m benchmarks.threads` shows what waiting threads burn where campaigns do not keep them
from it.
"""

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as a command does, before torch is loaded

import torch
from torch.nn import functional as F

from benchmarks.pairs import CLASSES, SIZE, machine, network
from greenkd.energy.flops import count_flops
from greenkd.training.backend.cpu_layout import quicken_on_cpu
from greenkd.training.backend.malloc import keep_freed_memory
from greenkd.training.backend.threads import resolve_threads

STEPS = (("resnet8", 16), ("resnet8", 64), ("resnet20", 64), ("mobilenet_v2", 64), ("resnet18", 32))
_WINDOW_S = 0.5


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    print(f"{machine()}, GOMP_SPINCOUNT={os.environ['GOMP_SPINCOUNT']}; CPU / wall-clock ms per step")

    keep_freed_memory()
    columns = [f"{threads} threads" for threads in options.threads]
    print("| " + " | ".join(["student", "batch", "forward GFLOP", "auto", *columns]) + " |")
    print("|" + " --- |" * (4 + len(columns)))
    for name, batch in STEPS:
        step, forward_flops = _prepared(name, batch)
        cells = [f"{cpu:.0f} / {wall:.0f}" for cpu, wall in _fewest_ms(step, options.threads, options.repetitions)]
        auto = str(resolve_threads("auto", forward_flops))
        print("| " + " | ".join([name, str(batch), f"{forward_flops / 1e9:.1f}", auto, *cells]) + " |", flush=True)


def _prepared(name: str, batch: int) -> tuple[Callable[[], None], float]:
    """Returns a training step, and the FLOPs of its forward pass."""
    student = quicken_on_cpu(network(name).to(memory_format=torch.channels_last))
    images = torch.randn(batch, 3, SIZE, SIZE).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (batch,))
    optimizer = torch.optim.SGD(student.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(student(images), labels).backward()
        optimizer.step()

    return step, count_flops(student, (3, SIZE, SIZE), backward=True).forward * batch


def _fewest_ms(step: Callable[[], None], threads: list[int], repetitions: int) -> list[tuple[float, float]]:
    """Returns the fewest CPU and wall-clock milliseconds of a step for each number of threads, taken in turns."""
    fewest = {number: (float("inf"), float("inf")) for number in threads}
    for _ in range(repetitions):
        for number in threads:
            torch.set_num_threads(number)
            step()
            cpu, wall = _mean_ms(step)
            fewest[number] = min(fewest[number][0], cpu), min(fewest[number][1], wall)
    return list(fewest.values())


def _mean_ms(step: Callable[[], None]) -> tuple[float, float]:
    """Returns CPU and wall-clock milliseconds of a step, the mean over a short window."""
    cpu_s, began_s, steps = time.process_time(), time.monotonic(), 0
    while time.monotonic() - began_s < _WINDOW_S:
        step()
        steps += 1
    return 1e3 * (time.process_time() - cpu_s) / steps, 1e3 * (time.monotonic() - began_s) / steps


if __name__ == "__main__":
    main()
