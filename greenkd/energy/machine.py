"""Which processor this is, and how busy the machine was around a reading: load, CPU time, steal, pressure, heat."""

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

from greenkd.records import Machine

_PRESSURE = Path("/proc/pressure/cpu")
_PROCESSORS = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class MachineState:
    """Cumulative figures of the whole machine at one moment; None where this platform has none.

    Attributes:
        load: Load average of the last minute.
        cpu_total_s: CPU time of all processors since the machine started, idle time included.
        cpu_busy_s: That of it in which they computed.
        steal_s: CPU time that the hypervisor gave to others.
        pressure_s: Time in which some task waited for a processor (Linux PSI).
        wall_s: The monotonic clock.
        temperature_c: Of the hottest processor sensor.
    """

    load: float | None
    cpu_total_s: float
    cpu_busy_s: float
    steal_s: float | None
    pressure_s: float | None
    wall_s: float
    temperature_c: float | None


def processor_name() -> str | None:
    """Returns the first processor's name, as Linux has it; None on other systems, and on most ARM machines."""
    try:
        lines = _PROCESSORS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None

    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)


def machine_state(wall_s: float) -> MachineState:
    """Reads the machine's state (under 1 ms on Linux).

    Args:
        wall_s: The monotonic clock at this moment.
    """
    times = psutil.cpu_times()
    # Linux counts a guest's time a second time, in user time.
    total = sum(value for name, value in times._asdict().items() if name not in {"guest", "guest_nice"})
    waiting = times.idle + getattr(times, "iowait", 0.0)

    return MachineState(
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        cpu_total_s=total,
        cpu_busy_s=total - waiting,
        steal_s=getattr(times, "steal", None),
        pressure_s=_pressure_s(),
        wall_s=wall_s,
        temperature_c=_cpu_temperature_c(),
    )


def between(before: MachineState, after: MachineState, gpu_temperature_c: float | None = None) -> Machine:
    """Describes the machine between two moments.

    Args:
        before: The earlier state.
        after: The later one.
        gpu_temperature_c: Of the hottest GPU; None where it is not known.
    """
    cpu_s = after.cpu_total_s - before.cpu_total_s
    wall_s = after.wall_s - before.wall_s

    return Machine(
        load_before=_rounded(before.load),
        load_after=_rounded(after.load),
        busy_share=_share(before.cpu_busy_s, after.cpu_busy_s, cpu_s),
        steal_share=_share(before.steal_s, after.steal_s, cpu_s),
        pressure_share=_share(before.pressure_s, after.pressure_s, wall_s),
        cpu_temperature_c=after.temperature_c,
        gpu_temperature_c=gpu_temperature_c,
    )


def _share(before: float | None, after: float | None, total: float) -> float | None:
    if before is None or after is None or total <= 0:
        return None

    return round(min(1.0, max(0.0, (after - before) / total)), 4)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _pressure_s() -> float | None:
    # Linux: "some avg10=0.00 avg60=0.00 avg300=0.00 total=123456" in µs; other systems have no such file.
    try:
        first = _PRESSURE.read_text(encoding="ascii").partition("\n")[0]
    except OSError:
        return None

    _, separator, total = first.rpartition("total=")
    return int(total) / 1e6 if separator else None


def _cpu_temperature_c() -> float | None:
    if not hasattr(psutil, "sensors_temperatures"):
        return None

    readings = psutil.sensors_temperatures()
    for chip in ("coretemp", "k10temp", "cpu_thermal", "zenpower"):
        if readings.get(chip):
            return float(max(reading.current for reading in readings[chip]))

    return None
