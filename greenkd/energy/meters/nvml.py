"""NVIDIA GPUs by their own energy counters, with polled power as a second estimate."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from greenkd import __version__
from greenkd.energy.clock import Clock
from greenkd.energy.meters.base import Beside, Component, Part, Reading
from greenkd.energy.meters.nvidia_devices import Gpu, open_nvml, slice_warnings, visible_gpus
from greenkd.energy.meters.power_sampler import PowerSampler
from greenkd.errors import ConfigError
from greenkd.records import Source


class Nvml:
    """The GPUs this process may use, found by UUID, read by the total-energy counter that GPUs have since Volta.

    Power is polled as well and stands beside the counter in every row. Where the counter is missing, polled power is
    the reading, and the method says so.

    Args:
        interval_s: Time between two readings of the power.
        clock: Another clock than the process's, for tests.

    Raises:
        ConfigError: This process can use no NVIDIA GPU.
    """

    name = "nvml"
    version = __version__
    scope = "device"

    def __init__(self, interval_s: Annotated[float, Field(gt=0, le=60)] = 1.0, clock: Clock | None = None) -> None:
        nvml = open_nvml()
        gpus = () if nvml is None else visible_gpus(nvml)
        if nvml is None or not gpus:
            raise ConfigError(
                "energy=nvml: this process can use no NVIDIA GPU (no driver, or CUDA_VISIBLE_DEVICES hides them all); "
                "choose energy=codecarbon or energy=cpu_time"
            )

        # The devices and what they can tell
        self._nvml = nvml
        self._handles = [nvml.nvmlDeviceGetHandleByUUID(gpu.uuid) for gpu in gpus]
        self._warnings = slice_warnings(gpus)
        counter = _has_counter(nvml, self._handles)
        self.method = "counter" if counter else "sampled_power"
        self.sensor = f"NVML {'energy counter' if counter else 'power'} of {_named(nvml, gpus)}"

        # Counters move every 20 to 100 ms: a row of 15 s is good to 2 %.
        self.resolution_s = 0.1 if counter else interval_s
        self.min_window_s = max(2.0, 5 * self.resolution_s)

        self.expected: frozenset[Part] = frozenset({"gpu"})
        self.shared: Mapping[Part, frozenset[str]] = {"gpu": frozenset(gpu.uuid for gpu in gpus)}

        self._counter = counter
        self._polled = Beside("nvml power", "sampled_power")
        self._sampler = PowerSampler(self._read_watts, interval_s, clock)

    def snapshot(self) -> Reading:
        """Reads all counters, which takes some ten µs each.

        Raises:
            Exception: NVML's error, if a GPU cannot be read any more.
        """
        polled = Component(self._sampler.joules()["gpu"], Source.MEASURED)
        temperature = self._temperature_c()
        if not self._counter:
            return Reading(gpu=polled, warnings=self._warnings, gpu_temperature_c=temperature)

        millijoules = sum(self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in self._handles)
        return Reading(
            gpu=Component(millijoules / 1000, Source.MEASURED),
            secondary={self._polled: Reading(gpu=polled)},
            warnings=self._warnings,
            gpu_temperature_c=temperature,
        )

    def close(self) -> None:
        """Ends the polling."""
        self._sampler.close()

    def _read_watts(self) -> dict[str, float]:
        return {"gpu": sum(self._nvml.nvmlDeviceGetPowerUsage(handle) for handle in self._handles) / 1000}

    def _temperature_c(self) -> float | None:
        sensor = self._nvml.NVML_TEMPERATURE_GPU
        try:
            return max(float(self._nvml.nvmlDeviceGetTemperature(handle, sensor)) for handle in self._handles)
        except self._nvml.NVMLError:
            return None


def _has_counter(nvml: Any, handles: list[Any]) -> bool:
    try:
        for handle in handles:
            nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except nvml.NVMLError:
        return False

    return True


def _named(nvml: Any, gpus: tuple[Gpu, ...]) -> str:
    names = [str(nvml.nvmlDeviceGetName(nvml.nvmlDeviceGetHandleByIndex(gpu.index))) for gpu in gpus]
    return ", ".join(f"{name} {gpu.uuid[:12]}" for name, gpu in zip(names, gpus, strict=True))
