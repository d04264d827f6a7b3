"""A grid of ten τ: the ordinary loop against the project. `python -m benchmarks.sweep`.

(a) is the loop as it is usually written: a DataLoader with workers, PIL crop and flip per image, contiguous float32,
the teacher on every batch of every training. (b) is a campaign of the project, temperature=grid, its one teacher pass
and everything between the trials included, the start of its worker processes too. Both train one epoch per τ on made-up
32×32 images of 10 classes, batch 128, and validate on a tenth as many. (a) does the same work for every τ, so one τ of
it is measured and multiplied by ten (--reference-taus 10 measures all). The two alternate. The floor is the students'
and the teacher's FLOPs at the better of two rates that this machine reaches per CPU second. "Many images" leaves out
what does not grow with them (overhead: building networks, the study, imports), which few images overstate.
"""

import argparse
import gc
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.models.shufflenetv2 import InvertedResidual

from benchmarks.pairs import (
    BATCH,
    MEAN,
    PAIRS,
    STD,
    TAUS,
    Seconds,
    campaign,
    clock,
    machine,
    network,
    rates,
    since,
    spread,
    teacher_weights,
    validation_images,
)
from greenkd.campaign.workers.fork_server import start_fork_server
from greenkd.collector import collect_rarely
from greenkd.energy.flops import count_flops
from greenkd.models.blocks.channel_shuffle import ShuffleUnit


class Pictures(Dataset[Any]):
    """PIL images with labels, transformed one by one, as torchvision's CIFAR does it."""

    def __init__(self, count: int, transform: Any) -> None:
        generator = torch.Generator().manual_seed(0)
        pixels = torch.randint(0, 256, (count, 32, 32, 3), dtype=torch.uint8, generator=generator).numpy()
        self._pictures = [Image.fromarray(picture) for picture in pixels]
        self._labels = torch.randint(0, 10, (count,), generator=generator).tolist()
        self._transform = transform

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> Any:
        return self._transform(self._pictures[index]), self._labels[index]


def reference(pair: tuple[str, str], images: int, taus: Sequence[float], *, workers: int, graph: bool) -> Seconds:
    """Trains one student per τ in the ordinary way.

    Args:
        pair: Names of the teacher's and the student's network.
        images: Training images of an epoch.
        taus: τ of every student.
        workers: Processes that load and transform the images.
        graph: Whether autograd records the teacher's forward pass, as where `no_grad` is forgotten.
    """
    to_tensor = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    augmented = transforms.Compose([transforms.RandomCrop(32, 4), transforms.RandomHorizontalFlip(), *to_tensor])
    loader = DataLoader(Pictures(images, augmented), BATCH, shuffle=True, num_workers=workers)
    validation = DataLoader(
        Pictures(validation_images(images), transforms.Compose(to_tensor)), BATCH, num_workers=workers
    )
    teacher = network(pair[0]).eval()

    start = clock()
    for tau in taus:
        student = _with_torchvisions_blocks(network(pair[1]))
        optimizer = torch.optim.SGD(student.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
        student.train()
        total, hits = 0.0, 0

        for inputs, labels in loader:
            with torch.set_grad_enabled(graph):
                teacher_logits = teacher(inputs).detach()
            logits = student(inputs)
            soft = F.kl_div(F.log_softmax(logits / tau, 1), F.softmax(teacher_logits / tau, 1), reduction="batchmean")
            loss = 0.1 * F.cross_entropy(logits, labels) + 0.9 * tau * tau * soft

            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
            hits += (logits.argmax(1) == labels).sum().item()

        student.eval()
        with torch.no_grad():
            for inputs, labels in validation:
                hits += (student(inputs).argmax(1) == labels).sum().item()

    return since(start)


def _with_torchvisions_blocks(student: nn.Module) -> nn.Module:
    """Gives a ShuffleNetV2 the forward pass of torchvision's own blocks; leaves other networks as they are."""
    for module in student.modules():
        if isinstance(module, ShuffleUnit):
            module.__class__ = InvertedResidual
    return student


def main() -> None:
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1920, help="training images per epoch (1920)")
    parser.add_argument("--rounds", type=int, default=2, help="alternations of the two (2)")
    parser.add_argument("--reference-taus", type=int, default=1, help="trainings of (a) per round, of ten (1)")
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--processes", type=int, default=2, help="training.parallel_trials of (b) (2)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of (a)")
    parser.add_argument(
        "--graph", action="store_true", help="(a) records the teacher's graph, as where no_grad is forgotten"
    )
    options = parser.parse_args()

    collect_rarely()  # as run.py does
    start_fork_server()

    print(machine())
    speed = rates(options.threads)
    print(", ".join(f"{name}: {rate / 1e9:.0f} GFLOP per CPU second" for name, rate in speed.items()), flush=True)

    head = (
        "pair",
        "(a) s",
        "(b) s",
        "wall (a)/(b)",
        "CPU (a)/(b)",
        "the same, many images",
        "images/s (a), (b)",
        "CPU ms/image (a), (b), floor",
    )
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head), flush=True)
    for name in options.pairs:
        print(_row(name, options, max(speed.values())), flush=True)


def _row(name: str, options: argparse.Namespace, rate: float) -> str:
    """Measures one pair and returns its row of the table; `rate` is the machine's best, in FLOPs per CPU second."""
    pair = PAIRS[name]
    scale = len(TAUS) / options.reference_taus
    ordinary: list[Seconds] = []  # (a)
    ours: list[Seconds] = []  # (b)
    fixed_cpu: list[float] = []

    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            run = campaign(
                Path(folder),
                options.images,
                f"teacher={pair[0]}",
                f"teacher.weights={teacher_weights(pair[0], Path(folder) / 'teacher.safetensors')}",
                f"student={pair[1]}",
                "temperature=grid",
                f"temperature.taus={list(TAUS)}".replace(" ", ""),
                f"training.parallel_trials={options.processes}",
                "threads=1",
            )
        ours.append(run.grid)
        fixed_cpu.append(run.fixed_cpu)

        torch.set_num_threads(options.threads)
        took = reference(pair, options.images, TAUS[: options.reference_taus], workers=2, graph=options.graph)
        ordinary.append(Seconds(took.wall * scale, took.cpu * scale))
        gc.collect()

    shape = (3, 32, 32)
    student = count_flops(network(pair[1]), shape, backward=True)
    teacher = count_flops(network(pair[0]), shape, backward=False)
    images = options.images
    floor = images * (len(TAUS) * (student.training + 0.1 * student.forward) + teacher.forward) / rate

    total = len(TAUS) * images
    wall = [a.wall / b.wall for a, b in zip(ordinary, ours, strict=True)]
    cpu = [a.cpu / b.cpu for a, b in zip(ordinary, ours, strict=True)]
    limit = [a.cpu / (b.cpu - fixed) for a, b, fixed in zip(ordinary, ours, fixed_cpu, strict=True)]
    best_a, best_b = (min(rounds, key=lambda seconds: seconds.wall) for rounds in (ordinary, ours))
    return (
        f"| {name} | {best_a.wall:.0f} | {best_b.wall:.0f} | {spread(wall)} | {spread(cpu)} | {spread(limit)} "
        f"| {total / best_a.wall:.0f}, {total / best_b.wall:.0f} "
        f"| {1e3 * best_a.cpu / total:.1f}, {1e3 * best_b.cpu / total:.1f}, {1e3 * floor / total:.1f} |"
    )


if __name__ == "__main__":
    main()
