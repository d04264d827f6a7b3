"""Energy, carbon and FLOPs: meters behind one small interface, and the monitor that records phases in the ledger."""

import importlib
from typing import TYPE_CHECKING

from greenkd.carbon import Intensity, find_intensity
from greenkd.energy.clock import Clock
from greenkd.energy.config import EnergyOptions, open_monitor, read_config
from greenkd.energy.meters.auto import auto, both, open_nvml_and_cpu
from greenkd.energy.meters.base import Component, Meter, Reading
from greenkd.energy.meters.carbontracker import CarbonTracker
from greenkd.energy.meters.codecarbon import CodeCarbon
from greenkd.energy.meters.combined import Joined, SideBySide
from greenkd.energy.meters.nvml import Nvml
from greenkd.energy.meters.rapl import Rapl
from greenkd.energy.meters.replay import Replay, record_reading
from greenkd.energy.meters.software import CpuTime, NoMeter, Simulated
from greenkd.energy.meters.zeus import Zeus
from greenkd.energy.monitor import EnergyMonitor, PhaseHandle, TrialHandle

if TYPE_CHECKING:
    from greenkd.energy.flops import Flops, count_flops

__all__ = [
    "CarbonTracker",
    "Clock",
    "CodeCarbon",
    "Component",
    "CpuTime",
    "EnergyMonitor",
    "EnergyOptions",
    "Flops",
    "Intensity",
    "Joined",
    "Meter",
    "NoMeter",
    "Nvml",
    "PhaseHandle",
    "Rapl",
    "Reading",
    "Replay",
    "SideBySide",
    "Simulated",
    "TrialHandle",
    "Zeus",
    "auto",
    "both",
    "count_flops",
    "find_intensity",
    "open_monitor",
    "open_nvml_and_cpu",
    "read_config",
    "record_reading",
]


def __getattr__(name: str) -> object:
    # Counting FLOPs needs torch, whose import takes seconds; metering does not.
    if name in {"Flops", "count_flops"}:
        return getattr(importlib.import_module("greenkd.energy.flops"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
