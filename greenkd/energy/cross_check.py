"""Cross-check: one short training under every meter present, read at the same two moments.

    greenkd energy-check            (or: greenkd-energy-check)

Prints what each meter says of the same training, as device energy at PUE 1, where they differ and why, and which figure
to quote. Takes about half a minute on two CPU cores.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from greenkd.energy.clock import Clock
from greenkd.energy.machine import between, machine_state
from greenkd.energy.meters.base import PARTS, Meter, Part, Reading, label
from greenkd.energy.meters.carbontracker import CarbonTracker
from greenkd.energy.meters.codecarbon import CodeCarbon
from greenkd.energy.meters.nvml import Nvml
from greenkd.energy.meters.rapl import Rapl
from greenkd.energy.meters.software import CpuTime
from greenkd.energy.meters.zeus import Zeus
from greenkd.errors import ConfigError
from greenkd.output_encoding import make_output_readable
from greenkd.records import Machine, Source

_REASONS = {
    "counter": "reads energy counters: what the hardware itself adds up",
    "sampled_power": "reads power every second and multiplies by time: misses what happens in between",
    "load_model": "processor's TDP x this process's share of CPU time: a model, but it charges no neighbour's work",
    "tdp_constant": "a constant wattage from a table of names, busy or idle, for the whole machine",
    "cpu_time_model": "CPU seconds x watts per thread: repeats best; its level is as good as the wattage",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What one meter said of the training.

    Attributes:
        meter: The meter.
        joules: Energy of each part; None where nothing was read.
        sources: How each figure comes about.
        problem: Why the figures cannot be used; empty if they can.
    """

    meter: Meter
    joules: dict[Part, float | None]
    sources: dict[Part, Source]
    problem: str = ""

    @property
    def total(self) -> float | None:
        """Joules of the parts the meter covers; None if one it should read is missing or stood still."""
        if self.problem:
            return None

        known = [value for value in self.joules.values() if value is not None]
        return sum(known) if known else None


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the cross-check from the command line."""
    make_output_readable()
    parser = argparse.ArgumentParser(prog="greenkd-energy-check", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=15.0, help="length of the training, 5 to 60 (default 15)")
    parser.add_argument("--watts-per-thread", type=float, default=4.0, help="of the CPU-time model (default 4)")
    options = parser.parse_args(arguments)
    if not 5 <= options.seconds <= 60 or not 0 < options.watts_per_thread < 1000:
        parser.error("--seconds from 5 to 60, --watts-per-thread above 0")

    # Everything is warm before the readings.
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    meters, absent = open_meters(options.watts_per_thread)
    train(device, 2.0)  # the first steps choose algorithms and fill memory pools

    results, seconds, cpu_s, machine = compare(meters, lambda: train(device, options.seconds))
    print(report(results, absent, seconds, cpu_s, machine, device))


def open_meters(watts_per_thread: float) -> tuple[list[Meter], dict[str, str]]:
    """Opens every meter this machine has.

    Returns:
        The meters, and for each other one why it cannot be opened.
    """
    openers: dict[str, Callable[[], Meter]] = {
        "codecarbon": CodeCarbon,
        "carbontracker": CarbonTracker,
        "rapl": Rapl,
        "nvml": Nvml,
        "zeus": Zeus,
        "cpu_time": lambda: CpuTime(watts_per_thread),
    }

    meters, absent = [], {}
    for name, opener in openers.items():
        try:
            meters.append(opener())
        except ConfigError as error:
            absent[name] = str(error).removeprefix(f"energy={name}: ")

    return meters, absent


def compare(meters: Sequence[Meter], work: Callable[[], None]) -> tuple[list[Result], float, float, Machine]:
    """Reads all meters before and after some work.

    Args:
        meters: The meters that are compared.
        work: What they measure.

    Returns:
        What each said, the work's seconds and CPU seconds, and the machine's state meanwhile.
    """
    clock = Clock()
    state = machine_state(clock.seconds())
    before = [meter.snapshot() for meter in meters]

    started_s, cpu_started_s = clock.seconds(), clock.cpu_seconds()
    work()
    seconds, cpu_s = clock.seconds() - started_s, clock.cpu_seconds() - cpu_started_s

    after = [meter.snapshot() for meter in meters]
    machine = between(state, machine_state(clock.seconds()))

    results = [_result(*readings) for readings in zip(meters, before, after, strict=True)]
    return results, seconds, cpu_s, machine


def train(device: torch.device, seconds: float) -> None:
    """Trains a small convolutional network on random images for some seconds."""
    # One small network, one batch
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    ).to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    images = torch.randn(128, 3, 32, 32, device=device)
    labels = torch.randint(10, (128,), device=device)

    # The same step until the time is over
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        optimizer.zero_grad()
        torch.autograd.backward([nn.functional.cross_entropy(network(images), labels)])
        optimizer.step()

        if device.type == "cuda":
            torch.cuda.synchronize()


def report(
    results: Sequence[Result],
    absent: dict[str, str],
    seconds: float,
    cpu_s: float,
    machine: Machine,
    device: torch.device,
) -> str:
    """Returns the comparison as text.

    Args:
        results: What each meter said.
        absent: For each meter that cannot be opened, why.
        seconds: Length of the training.
        cpu_s: Its CPU seconds.
        machine: The machine's state meanwhile.
        device: Where it trained.
    """
    # One line per meter
    lines = [
        f"One training of {seconds:.1f} s on {device.type}, {cpu_s:.1f} CPU seconds, read by all meters at once. "
        "Joules at the device (PUE 1).",
        "",
        f"{'meter':<22}{'method':<16}{'scope':<9}{'CPU J':>12}{'GPU J':>12}{'RAM J':>12}{'total J':>10}{'mean W':>9}",
    ]
    for result in results:
        meter, total = result.meter, result.total
        cells = "".join(f"{_cell(result, part):>12}" for part in PARTS)
        shown = "invalid" if result.problem else "-" if total is None else f"{total:.1f}"
        watts = "-" if total is None else f"{total / seconds:.1f}"
        lines.append(f"{label(meter):<22}{meter.method:<16}{meter.scope:<9}{cells}{shown:>10}{watts:>9}")

    # Why their figures differ
    lines += ["", "m measured, c constant, e estimated by a model, - absent (not zero)", "", "Why they differ:"]
    lines += [f"  {result.meter.name}: {_reason(result)}" for result in results]
    lines += [f"  not here: {name}: {reason}" for name, reason in absent.items()]
    if machine.busy_share is not None:
        thread_share = cpu_s / seconds / max(1, torch.get_num_threads())
        lines.append(
            f"  the machine was {machine.busy_share:.0%} busy (steal {_percent(machine.steal_share)}), this training "
            f"used {thread_share:.0%} of its {torch.get_num_threads()} threads: "
            "meters of scope machine count the difference too"
        )

    lines += ["", "Quote:", *(f"  {line}" for line in advice(results))]
    return "\n".join(lines)


def advice(results: Sequence[Result]) -> list[str]:
    """Names the figures to quote, best first."""
    usable = {result.meter.name: result for result in results if result.total is not None}
    counters = [name for name in ("nvml", "rapl", "zeus") if name in usable]

    lines = []
    if "nvml" in counters:
        lines.append("GPU energy: nvml (energy=nvml), measured")
    if "rapl" in counters:
        lines.append("CPU energy: rapl (energy=rapl), measured, if nobody else computes on this machine")
    if not counters:
        lines.append("CPU seconds and FLOPs first: no energy sensor can be read here, so every joule above is a model.")
        lines.append("For joules, codecarbon (the default) with energy.cpu_tdp_w=<your processor's>, named as a model.")
    elif "rapl" not in counters:
        lines.append("CPU energy: codecarbon or cpu_time, named as models; RAPL cannot be read here")

    lines.append("Grams: name your country (energy.country=FRA); the world average is a stand-in.")
    lines.append("Compare strategies only within one method; carbontracker's constant follows the clock, not the work.")
    lines.extend(f"Not {result.meter.name}: {result.problem}" for result in results if result.problem)
    return lines


def _result(meter: Meter, before: Reading, after: Reading) -> Result:
    """Takes the difference of two readings; the last part that should have been read and was not is the problem."""
    joules: dict[Part, float | None] = {}
    problem = ""

    for part in PARTS:
        start, end = before.part(part).joules, after.part(part).joules
        joules[part] = None if start is None or end is None else end - start

        if part in meter.expected and not joules[part]:
            problem = f"{part} should have been read, and {'was not' if joules[part] is None else 'stood still'}"

    return Result(meter, joules, {part: after.part(part).source for part in PARTS}, problem)


def _cell(result: Result, part: Part) -> str:
    value = result.joules[part]
    mark = {Source.MEASURED: "m", Source.CONSTANT: "c"}.get(result.sources[part], "e")
    return "-" if value is None else f"{value:.1f} {mark}"


def _reason(result: Result) -> str:
    return f"{_REASONS.get(result.meter.method, result.meter.method)} [{result.meter.sensor}]"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.0%}"


if __name__ == "__main__":
    main()
