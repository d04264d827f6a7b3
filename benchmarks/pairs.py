"""What the speed benchmarks share: pairs of networks, campaigns on made-up CIFAR-shaped images, clocks, the machine."""

import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from hydra import compose, initialize_config_dir
from torch.nn import functional as F

from greenkd import models
from greenkd.campaign.campaign import run_campaign
from greenkd.campaign.console import Reporter
from greenkd.campaign.reading import read_settings
from greenkd.configuration import register_configuration
from greenkd.energy.machine import processor_name
from greenkd.identity import plain
from greenkd.records import CampaignRecord, LedgerRow, Phase, TrialRow, read_rows
from greenkd.training.safetensors_io import save_tensors
from greenkd.training.stop_signals import StopFlag

CONF = str(Path(__file__).parents[1] / "conf")
PAIRS = {
    "resnet18-mobilenet_v2": ("resnet18", "mobilenet_v2"),
    "resnet18-shufflenet_v2": ("resnet18", "shufflenet_v2"),
    "resnet18-mobilenet_v2_half": ("resnet18", "mobilenet_v2_half"),
    "resnet8x4-resnet20": ("resnet8x4", "resnet20"),
}
CLASSES, SIZE, BATCH = 10, 32, 128
TAUS = tuple(range(2, 21, 2))
MEAN, STD = (0.507, 0.487, 0.441), (0.267, 0.256, 0.276)
# What the students cost: their steps, their validation, the teacher's logits, and what lies between.
GRID_PHASES = (Phase.STUDENT_TRAINING, Phase.VALIDATION, Phase.TEACHER_LOGITS, Phase.OVERHEAD)


class Seconds(NamedTuple):
    """Wall-clock and CPU seconds, of child processes too."""

    wall: float
    cpu: float


def clock() -> Seconds:
    """Reads both clocks."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Seconds(time.perf_counter(), sum(used.ru_utime + used.ru_stime for used in usage))


def since(start: Seconds) -> Seconds:
    """Returns the seconds since `start`, which is a reading of `clock`."""
    now = clock()
    return Seconds(now.wall - start.wall, now.cpu - start.cpu)


def network(name: str) -> torch.nn.Module:
    """Builds one of the pairs' networks with the same weights every time."""
    torch.manual_seed(0)
    built: torch.nn.Module = getattr(models, name)(num_classes=CLASSES, image_size=SIZE)
    return built


def teacher_weights(name: str, path: Path) -> Path:
    """Writes weights for a teacher: untrained, but its batch norms have seen images, so that its logits are sane."""
    teacher = network(name).train()

    with torch.no_grad():
        for _ in range(20):
            teacher(torch.randn(16, 3, SIZE, SIZE))

    save_tensors(path, teacher.state_dict(), {})
    return path


class Campaign(NamedTuple):
    """One campaign that has run."""

    record: CampaignRecord
    grid: Seconds  # from the first trial's start to the last one's end; CPU of all processes, from the ledgers
    total: Seconds  # the campaign as a whole, test and inference included
    trial_cpu: float  # CPU seconds of all trials' steps and validation
    fixed_cpu: float  # CPU seconds that do not grow with the images: the grid's overhead


class _Stopwatch(Reporter):
    """Notes when the trials begin and end."""

    first = last = 0.0

    def trial_started(self, trial: int, params: dict[str, float | int | str], epochs: int, images: int) -> None:
        """Notes when the first trial begins."""
        self.first = self.first or time.perf_counter()

    def trial_finished(self, row: TrialRow) -> None:
        """Notes when a trial ends; the last one's note stays."""
        if row.cause:
            raise SystemExit(f"trial {row.trial} failed: {row.cause}")

        self.last = time.perf_counter()


def campaign(folder: Path, images: int, *overrides: str) -> Campaign:
    """Runs one campaign of one epoch per trial on made-up images.

    Args:
        folder: Holds the campaign and its own, empty cache.
        images: Training images, a multiple of 10; about a tenth as many validate.
        overrides: As on the command line.
    """
    register_configuration()
    per_class, validation = images // CLASSES, validation_images(images) // CLASSES
    settings = [
        "dataset=generated",
        f"dataset.num_classes={CLASSES}",
        f"dataset.train_per_class={per_class + validation}",
        "dataset.test_per_class=1",
        f"dataset.mean=[{MEAN[0]},{MEAN[1]},{MEAN[2]}]",
        f"dataset.std=[{STD[0]},{STD[1]},{STD[2]}]",
        f"dataset.validation_fraction={validation / (per_class + validation)}",
        "dataset.augmentation.crop_padding=4",
        "dataset.augmentation.flip=true",
        f"training.batch_size={BATCH}",
        "training.epochs=1",
        "training.warmup_epochs=0",
        "training.lr=0.01",
        "energy=cpu_time",
        f"cache_dir={folder / 'cache'}",
    ]
    with initialize_config_dir(CONF, version_base="1.3"):
        config = plain(compose("config", [*settings, *overrides]))

    watch = _Stopwatch()
    start = clock()
    record = run_campaign(read_settings(config), folder / "campaign", StopFlag(), watch)
    total = since(start)

    # From the ledgers, so that the CPU seconds of worker processes are in it.
    ledgers = [folder / "campaign" / "ledger.jsonl", *(folder / "cache" / "logits").glob("*/ledger.jsonl")]
    rows = [row for ledger in ledgers for row in read_rows(ledger, LedgerRow).rows if row.phase in GRID_PHASES]
    cpu = sum(row.cpu_s for row in rows)
    trials = sum(row.cpu_s for row in rows if row.trial is not None)
    fixed = sum(row.cpu_s for row in rows if row.phase is Phase.OVERHEAD)
    return Campaign(record, Seconds(watch.last - watch.first, cpu), total, trials, fixed)


def validation_images(images: int) -> int:
    """Returns how many images validate beside so many that train: whole images per class."""
    return CLASSES * max(images // CLASSES // 10, 1)


def rates(threads: int) -> dict[str, float]:
    """Measures FLOPs per CPU second at most: a matrix product, and a 3×3 convolution, channels-last."""
    torch.set_num_threads(threads)
    square = torch.randn(1536, 1536)
    maps = torch.randn(64, 64, 32, 32).contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(64, 64, 3, 3).contiguous(memory_format=torch.channels_last)

    product_flops = 2 * 1536**3
    convolution_flops = 2 * 64 * (32 * 32) * 64 * 64 * 9
    return {
        "matrix product 1536³": product_flops / fastest(lambda: square @ square),
        "convolution 64→64, 3×3 at 32×32": convolution_flops / fastest(lambda: F.conv2d(maps, kernel, padding=1)),
    }


def fastest(run: Callable[[], object], repetitions: int = 15) -> float:
    """Returns the fewest CPU seconds of several runs; on a shared machine the wall clock measures the neighbours."""
    times = []
    for _ in range(repetitions):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)

    return min(times)


def spread(values: Iterable[float]) -> str:
    """Formats the median with the least and the largest."""
    listed = sorted(values)
    return f"{statistics.median(listed):.2f} [{listed[0]:.2f}, {listed[-1]:.2f}]"


def machine() -> str:
    """Describes the machine and how busy it is."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{processor_name() or platform.machine()}, {os.cpu_count()} CPUs, torch {torch.__version__}, load {load}"
