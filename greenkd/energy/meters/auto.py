"""Options of the group `energy` that put meters together."""

from typing import Annotated, Literal

from pydantic import Field

from greenkd.energy.meters.base import Meter
from greenkd.energy.meters.carbontracker import CarbonTracker
from greenkd.energy.meters.codecarbon import CodeCarbon
from greenkd.energy.meters.combined import Joined, SideBySide
from greenkd.energy.meters.nvidia_devices import open_nvml, visible_gpus
from greenkd.energy.meters.nvml import Nvml
from greenkd.energy.meters.rapl import Rapl, rapl_is_readable
from greenkd.energy.meters.software import CpuTime

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def both(
    primary: Literal["codecarbon", "carbontracker"] = "codecarbon",
    cpu_tdp_w: Positive | None = None,
    ram_w: Positive | None = None,
    interval_s: Positive = 1.0,
) -> Meter:
    """Opens CodeCarbon and CarbonTracker side by side.

    Args:
        primary: The meter whose numbers count; the other's stand beside them in every row.
        cpu_tdp_w: For CodeCarbon, see there.
        ram_w: For CodeCarbon, see there.
        interval_s: For CarbonTracker, see there.
    """
    codecarbon, carbontracker = CodeCarbon(cpu_tdp_w, ram_w), CarbonTracker(interval_s)

    return SideBySide(codecarbon, carbontracker) if primary == "codecarbon" else SideBySide(carbontracker, codecarbon)


def open_nvml_and_cpu(watts_per_thread: Positive, interval_s: Positive = 1.0) -> Meter:
    """Opens NVIDIA's energy counters, with the processor by RAPL where it may be read, else by the CPU-time model.

    Args:
        watts_per_thread: For the CPU-time model.
        interval_s: Time between two readings of the GPUs' power.

    Raises:
        ConfigError: This process can use no NVIDIA GPU.
    """
    gpu = Nvml(interval_s)
    return Joined(Rapl() if rapl_is_readable() else CpuTime(watts_per_thread), gpu)


def auto(watts_per_thread: Positive) -> Meter:
    """Opens the best meter present: NVML with RAPL, NVML with the CPU-time model, RAPL, CodeCarbon's process mode.

    The choice and its reason stand in every row's `sensor`.

    Args:
        watts_per_thread: For the CPU-time model.
    """
    library = open_nvml()
    has_gpu = library is not None and bool(visible_gpus(library))
    has_rapl = rapl_is_readable()

    meter: Meter
    if has_gpu:
        meter = open_nvml_and_cpu(watts_per_thread)
        reason = "GPU counters found, " + ("RAPL readable" if has_rapl else "RAPL not readable")
    elif has_rapl:
        meter, reason = Rapl(), "no GPU, RAPL readable"
    else:
        meter, reason = CodeCarbon(), "no GPU, RAPL not readable"

    meter.sensor = f"{meter.sensor} (auto: {reason})"
    return meter
