"""NVIDIA GPUs by their own energy counters, with polled power as a second estimate."""

import contextlib
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from greenkd import __version__
from greenkd.energy.clock import Clock
from greenkd.energy.meters.base import Beside, Component, Part, Reading
from greenkd.energy.meters.nvidia_devices import Gpu, look_for_gpus, open_nvml
from greenkd.energy.meters.power_sampler import PowerSampler
from greenkd.errors import ConfigError
from greenkd.records import Source


class Nvml:
    """The GPUs this process may use, read by the total-energy counter that GPUs have since Volta.

    Power is polled as well and stands beside the counter in every row, where every GPU tells it. Where a GPU has no
    counter, its polled power is the reading, and the method says so. One that has neither is left out, which stands in
    every row.

    Args:
        interval_s: Time between two readings of the power.
        clock: Another clock than the process's, for tests.

    Raises:
        ConfigError: This process can read no NVIDIA GPU.
    """

    name = "nvml"
    version = __version__
    scope = "device"

    def __init__(self, interval_s: Annotated[float, Field(gt=0, le=60)] = 1.0, clock: Clock | None = None) -> None:
        nvml = open_nvml()
        visible = look_for_gpus(nvml)
        gpus = visible.gpus
        if nvml is None or not gpus:
            reason = "; ".join(visible.warnings) or "no driver, or CUDA_VISIBLE_DEVICES hides them all"
            raise ConfigError(
                f"energy=nvml: this process can read no NVIDIA GPU ({reason}); "
                "choose energy=codecarbon or energy=cpu_time"
            )

        # What each device can tell
        handles = {gpu: nvml.nvmlDeviceGetHandleByIndex(gpu.index) for gpu in gpus}
        self._nvml = nvml
        self._handles = list(handles.values())
        self._warnings = visible.warnings
        self._counted = [handle for gpu, handle in handles.items() if gpu.has_counter]
        self._sampled = [handle for gpu, handle in handles.items() if not gpu.has_counter]
        self._polled = self._sampled or (self._handles if all(gpu.has_power for gpu in gpus) else [])

        # How the figures come about
        methods = [name for name, some in (("counter", self._counted), ("sampled_power", self._sampled)) if some]
        self.method = "+".join(methods)
        sensors = [name for name, some in (("energy counter", self._counted), ("power", self._sampled)) if some]
        self.sensor = f"NVML {' and '.join(sensors)} of {_named(nvml, handles)}"

        # Counters move every 20 to 100 ms: a row of 15 s is good to 2 %.
        self.resolution_s = interval_s if self._sampled else 0.1
        self.min_window_s = max(2.0, 5 * self.resolution_s)

        self.expected: frozenset[Part] = frozenset({"gpu"})
        self.shared: Mapping[Part, frozenset[str]] = {"gpu": frozenset(gpu.uuid for gpu in gpus)}

        self._beside = Beside("nvml power", "sampled_power")
        self._sampler = PowerSampler(self._read_watts, interval_s, clock) if self._polled else None

    def snapshot(self) -> Reading:
        """Reads all counters, which takes some ten µs each.

        Raises:
            Exception: NVML's error, if a GPU cannot be read any more.
        """
        polled_j, failure = self._polled_joules()
        if failure is not None and self._sampled:
            raise failure

        counted_j = sum(self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in self._counted) / 1000
        stands_beside = polled_j is not None and not self._sampled
        warnings = () if failure is None else (f"nvml power: {failure}",)

        return Reading(
            gpu=Component(counted_j + (polled_j or 0.0 if self._sampled else 0.0), Source.MEASURED),
            secondary={self._beside: Reading(gpu=Component(polled_j, Source.MEASURED))} if stands_beside else {},
            warnings=(*self._warnings, *warnings),
            gpu_temperature_c=self._temperature_c(),
        )

    def close(self) -> None:
        """Ends the polling."""
        if self._sampler is not None:
            self._sampler.close()

    def _polled_joules(self) -> tuple[float | None, Exception | None]:
        """Returns the energy by polled power, and NVML's error if it came to one since the last call."""
        if self._sampler is None:
            return None, None

        try:
            return self._sampler.joules()["gpu"], None
        except self._nvml.NVMLError as error:
            return None, error

    def _read_watts(self) -> dict[str, float]:
        return {"gpu": sum(self._nvml.nvmlDeviceGetPowerUsage(handle) for handle in self._polled) / 1000}

    def _temperature_c(self) -> float | None:
        """Returns the temperature of the hottest GPU that tells its own; None if none does."""
        sensor, temperatures = self._nvml.NVML_TEMPERATURE_GPU, []
        for handle in self._handles:
            with contextlib.suppress(self._nvml.NVMLError):
                temperatures.append(float(self._nvml.nvmlDeviceGetTemperature(handle, sensor)))

        return max(temperatures, default=None)


def _named(nvml: Any, handles: Mapping[Gpu, Any]) -> str:
    names = []
    for gpu, handle in handles.items():
        try:
            name = str(nvml.nvmlDeviceGetName(handle))
        except nvml.NVMLError:
            name = "GPU of unknown name"
        names.append(f"{name} {gpu.uuid[:12]}")

    return ", ".join(names)
