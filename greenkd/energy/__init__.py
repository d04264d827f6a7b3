"""Energy and carbon: meters behind one small interface, and the monitor that records phases in the ledger.

FLOPs are counted by `greenkd.energy.flops`, which is not imported here: it needs torch, whose import takes seconds, and
a worker opens its monitor before that.
"""

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

__all__ = [
    "CarbonTracker",
    "Clock",
    "CodeCarbon",
    "Component",
    "CpuTime",
    "EnergyMonitor",
    "EnergyOptions",
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
    "find_intensity",
    "open_monitor",
    "open_nvml_and_cpu",
    "read_config",
    "record_reading",
]
