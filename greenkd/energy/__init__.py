"""Energy, carbon and FLOPs: meters behind one small interface, and the book that says whose bill every joule is on."""

import importlib
from typing import TYPE_CHECKING

from greenkd.carbon import Intensity, find_intensity
from greenkd.energy.book import EnergyBook, PhaseHandle, TrialHandle
from greenkd.energy.carbontracker import CarbonTracker
from greenkd.energy.choice import auto, both, open_nvml_and_cpu
from greenkd.energy.clock import Clock
from greenkd.energy.codecarbon import CodeCarbon
from greenkd.energy.joined import Joined, SideBySide
from greenkd.energy.meter import Component, Meter, Reading
from greenkd.energy.nvml import Nvml
from greenkd.energy.opening import EnergyOptions, open_book, read_config
from greenkd.energy.rapl import Rapl
from greenkd.energy.replay import Replay, record_reading
from greenkd.energy.simple import CpuTime, NoMeter, Simulated
from greenkd.energy.zeus import Zeus

if TYPE_CHECKING:
    from greenkd.energy.flops import Flops, count_flops

__all__ = [
    "CarbonTracker",
    "Clock",
    "CodeCarbon",
    "Component",
    "CpuTime",
    "EnergyBook",
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
    "open_book",
    "open_nvml_and_cpu",
    "read_config",
    "record_reading",
]


def __getattr__(name: str) -> object:
    # Counting FLOPs needs torch, whose import takes seconds; metering does not.
    if name in {"Flops", "count_flops"}:
        return getattr(importlib.import_module("greenkd.energy.flops"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
