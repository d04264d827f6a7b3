"""Energy, carbon and FLOPs: meters behind one small interface, and the book that says whose bill every joule is on."""

import importlib
from typing import TYPE_CHECKING

from greenkd.carbon import Intensity, find_intensity
from greenkd.energy.book import EnergyBook, PhaseHandle
from greenkd.energy.carbontracker import CarbonTracker
from greenkd.energy.clock import Clock
from greenkd.energy.codecarbon import CodeCarbon
from greenkd.energy.meter import Component, Meter, Reading
from greenkd.energy.opening import EnergyOptions, open_book, read_config
from greenkd.energy.simple import CpuTime, NoMeter, Simulated

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
    "Meter",
    "NoMeter",
    "PhaseHandle",
    "Reading",
    "Simulated",
    "count_flops",
    "find_intensity",
    "open_book",
    "read_config",
]


def __getattr__(name: str) -> object:
    # Counting FLOPs needs torch, whose import takes seconds; metering does not.
    if name in {"Flops", "count_flops"}:
        return getattr(importlib.import_module("greenkd.energy.flops"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
