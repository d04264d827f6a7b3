"""Where a training step's time goes. `python -m benchmarks.step`.

The second table has the parts: data (views of a whole batch), the teacher live, with folded batch norms and from the
bank, the student's forward and backward pass, the optimiser, in CPU milliseconds of one thread per batch of 128, the
fewest of several runs. The bank saves time from 1 + (writing + reading) / live teacher trials on. The first table has a
student's whole step where the C library hands freed memory back to the system, as it does by default, where the process
keeps it, and where PyTorch's slow paths are avoided too, as in a campaign; these are means: what a training pays.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional as F

from benchmarks.pairs import BATCH, MEAN, PAIRS, STD, machine, network, rates
from greenkd.data import Augmentation, Images
from greenkd.energy.flops import count_flops
from greenkd.tasks import CLASSIFICATION
from greenkd.teacher.bn_folding import fold_batch_norms
from greenkd.teacher.live import LiveTeacher
from greenkd.training.backend.cpu_layout import quicken_on_cpu
from greenkd.training.backend.malloc import keep_freed_memory
from greenkd.training.batches import BatchLoader
from greenkd.training.recipe import Recipe
from greenkd.training.safetensors_io import load_tensors, save_tensors


def main() -> None:
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    options = parser.parse_args()
    print(machine())

    print("| pair | step, memory handed back | kept | and layouts too |\n| --- | --- | --- | --- |", flush=True)
    torch.set_num_threads(options.threads[0])
    handed_back = {name: _whole_step(name, options.repetitions) for name in options.pairs}

    keep_freed_memory()
    for name in options.pairs:
        kept, quick = (_whole_step(name, options.repetitions, quick=quick) for quick in (False, True))
        print(f"| {name} | {handed_back[name]:.1f} | {kept:.1f} | {quick:.1f} |", flush=True)

    head = (
        "pair",
        "threads",
        "data",
        "teacher",
        "folded",
        "bank",
        "forward",
        "backward",
        "optimiser",
        "student GFLOP/s",
        "of peak",
        "pays from",
    )
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head), flush=True)
    for threads in dict.fromkeys(options.threads):
        peak = max(rates(threads).values())
        for name in options.pairs:
            print(_row(name, threads, peak, options.repetitions), flush=True)


def _row(name: str, threads: int, peak: float, repetitions: int) -> str:
    """Measures the parts of one pair's step and returns its row of the second table."""
    torch.set_num_threads(threads)
    recipe = Recipe(epochs=1, batch_size=BATCH, lr=0.01)
    device = torch.device("cpu")
    teacher, student = (quicken_on_cpu(network(part).to(memory_format=torch.channels_last)) for part in PAIRS[name])

    images = Images(torch.randint(0, 256, (4 * BATCH, 3, 32, 32), dtype=torch.uint8), torch.arange(4 * BATCH) % 10)
    loader = BatchLoader(CLASSIFICATION, images, Augmentation(crop_padding=4, flip=True), MEAN, STD, BATCH, 0, device)
    plan = loader.plan(0)
    batch = loader.batch(plan, 0)

    live = LiveTeacher(teacher, recipe, 0.0, False)
    folded_network, obstacle = fold_batch_norms(teacher, batch.images, recipe)
    folded = LiveTeacher(folded_network, recipe, 0.0, False)
    if obstacle is not None:
        raise SystemExit(f"{PAIRS[name][0]}: not folded, {obstacle}")

    optimizer = recipe.optimizer(list(student.parameters()))
    student.train()

    def forward() -> torch.Tensor:
        return F.cross_entropy(student(batch.images), batch.labels)

    times = {
        "data": _least(lambda: loader.batch(plan, 0), repetitions),
        "teacher": _least(lambda: live.outputs(batch, loader.rows(0)), repetitions),
        "folded": _least(lambda: folded.outputs(batch, loader.rows(0)), repetitions),
        "bank": _bank(live.outputs(batch, loader.rows(0)).logits, repetitions),
        "forward": _least(forward, repetitions),
    }
    forward_and_backward = _least(lambda: forward().backward(), repetitions)
    times["backward"] = forward_and_backward - times["forward"]
    times["optimiser"] = _least(optimizer.step, repetitions)

    flops = count_flops(student, (3, 32, 32), backward=True).training * BATCH
    rate = flops / forward_and_backward
    pays = 1 + times["bank"] / times["teacher"]
    cells = " | ".join(f"{1e3 * value:.1f}" for value in times.values())
    return f"| {name} | {threads} | {cells} | {rate / 1e9:.0f} | {rate / peak:.0%} | {pays:.3f} trials |"


def _whole_step(name: str, repetitions: int, *, quick: bool = False) -> float:
    """Returns the mean CPU milliseconds of a student's step after a first one."""
    student = network(PAIRS[name][1]).to(memory_format=torch.channels_last).train()
    if quick:
        quicken_on_cpu(student)
    optimizer = Recipe(epochs=1, batch_size=BATCH, lr=0.01).optimizer(list(student.parameters()))

    images = torch.randn(BATCH, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(BATCH) % 10
    started = 0.0

    for number in range(2 * repetitions + 1):
        if number == 1:
            started = time.process_time()
        F.cross_entropy(student(images), labels).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return 1e3 * (time.process_time() - started) / (2 * repetitions)


def _bank(logits: torch.Tensor, repetitions: int) -> float:
    """Returns the CPU seconds of writing a batch's logits and reading them once.

    Files hold many batches, so 64 are written and read, and the time is divided.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "epoch.safetensors"
        stored = logits.repeat(64, 1)

        def write_and_read() -> None:
            save_tensors(path, {"logits": stored}, {})
            load_tensors(path)

        return _least(write_and_read, repetitions) / 64


def _least(run: Callable[[], object], repetitions: int) -> float:
    """Returns the fewest CPU seconds of several runs after a first one."""
    run()

    times = []
    for _ in range(repetitions):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)

    return min(times)


if __name__ == "__main__":
    main()
