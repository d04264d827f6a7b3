"""Several meters as one: the processor by one and the GPUs by another, or the same machine by two side by side."""

import dataclasses
from collections.abc import Mapping

from greenkd.energy.meters.base import Beside, Meter, Part, Reading, label


class Joined:
    """Processor and memory by one meter, GPUs by another.

    Args:
        cpu: Read for processor and memory.
        gpu: Read for the GPUs.
    """

    def __init__(self, cpu: Meter, gpu: Meter) -> None:
        self._cpu, self._gpu = cpu, gpu

        self.name = f"{gpu.name}+{cpu.name}"
        self.version = gpu.version if gpu.version == cpu.version else f"{gpu.version}+{cpu.version}"
        self.method = f"{gpu.method}+{cpu.method}"
        self.scope = f"{gpu.scope}+{cpu.scope}"
        self.sensor = f"{gpu.sensor}; {cpu.sensor}"

        self.min_window_s = max(cpu.min_window_s, gpu.min_window_s)
        self.resolution_s = max(cpu.resolution_s, gpu.resolution_s)

        self.expected: frozenset[Part] = (cpu.expected - {"gpu"}) | (gpu.expected & {"gpu"})
        self.shared: Mapping[Part, frozenset[str]] = {
            **{part: devices for part, devices in cpu.shared.items() if part != "gpu"},
            **{part: devices for part, devices in gpu.shared.items() if part == "gpu"},
        }

    def snapshot(self) -> Reading:
        """Reads both."""
        cpu, gpu = self._cpu.snapshot(), self._gpu.snapshot()

        return Reading(
            cpu=cpu.cpu,
            gpu=gpu.gpu,
            ram=cpu.ram,
            secondary={**cpu.secondary, **gpu.secondary},
            warnings=(*cpu.warnings, *gpu.warnings),
            gpu_temperature_c=gpu.gpu_temperature_c,
        )

    def close(self) -> None:
        """Closes both."""
        self._cpu.close()
        self._gpu.close()


class SideBySide:
    """One meter whose numbers count, and others whose numbers stand beside them in every row.

    Args:
        primary: The meter whose numbers count.
        others: Meters that are read as well; where one fails the row has a warning, and is valid.
    """

    def __init__(self, primary: Meter, *others: Meter) -> None:
        self._primary, self._others = primary, others

        self.name, self.version = primary.name, primary.version
        self.method, self.scope, self.sensor = primary.method, primary.scope, primary.sensor

        self.min_window_s = max(meter.min_window_s for meter in (primary, *others))
        self.resolution_s = max(meter.resolution_s for meter in (primary, *others))

        self.expected = primary.expected
        self.shared = primary.shared

    def snapshot(self) -> Reading:
        """Reads all."""
        reading = self._primary.snapshot()
        beside = dict(reading.secondary)
        warnings = list(reading.warnings)

        for meter in self._others:
            try:
                beside[Beside(label(meter), meter.method)] = meter.snapshot()
            except Exception as error:  # whatever a library raises, the primary's numbers stand
                warnings.append(f"{meter.name}: {type(error).__name__}: {error}")

        return dataclasses.replace(reading, secondary=beside, warnings=tuple(warnings))

    def close(self) -> None:
        """Closes all."""
        for meter in (self._primary, *self._others):
            meter.close()
