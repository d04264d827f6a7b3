"""CodeCarbon as a meter: the offline tracker, one per process, never stopped, its own files and carbon left out."""

import importlib
import os
import time
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from greenkd.energy.meters.base import ABSENT, MACHINE, Component, Part, Reading
from greenkd.energy.meters.codecarbon_setup import own_settings_only
from greenkd.energy.meters.nvidia_devices import look_for_gpus, open_nvml
from greenkd.energy.meters.rapl import leap, processor_limit_w, rapl_is_readable
from greenkd.errors import ConfigError
from greenkd.records import Source

_JOULES_PER_KWH = 3.6e6
_NEVER_S = 10**7
# `flush` measures nothing within 50 ms of the last measurement.
_STALE_S = 0.055


class CodeCarbon:
    """Energies of CodeCarbon's tracker, read when the monitor asks for them.

    The tracker is started once, with its own timer out of the way, and told to `flush` at every reading: that measures
    what has passed and hands cumulative energies over, at 5 to 10 ms, without the gaps of its start_task/stop_task.
    Its country, PUE, files and durations are not used: greenkd prices energy itself, and CodeCarbon's durations
    count its own start-up.

    Without RAPL it runs in process mode: TDP x own share of the CPU time, which charges no neighbour's work.

    Args:
        cpu_tdp_w: Power of all processors at full load; None for CodeCarbon's table, or 4 W per thread where the
            processor is not in it (most virtual machines).
        ram_w: Power of the memory; None for CodeCarbon's guess from its size (5 W per module, at least 10 W).

    Raises:
        ConfigError: CodeCarbon cannot be started on this machine.
    """

    name = "codecarbon"
    # A reading takes up to 10 ms, so over windows of 2 s it stays under 0.5 %.
    min_window_s = 2.0
    # CPU times come in ticks of 10 ms.
    resolution_s = 0.01

    def __init__(
        self,
        cpu_tdp_w: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None,
        ram_w: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None,
    ) -> None:
        # Some lines are printed during import and before the tracker's own level is set.
        os.environ["CODECARBON_LOG_LEVEL"] = "critical"
        package = importlib.import_module("codecarbon")
        self.version = str(package.__version__)

        # What there is to be read
        nvml = open_nvml()
        visible = look_for_gpus(nvml)
        gpus = visible.gpus
        self._warnings = visible.warnings
        rapl = rapl_is_readable()
        self.scope = "machine" if rapl else "process"

        # Every setting is given, so that neither a .codecarbon.config file nor a CODECARBON_ variable changes anything.
        self._taker = _Taker()
        with own_settings_only(nvml, gpus):
            self._tracker = package.OfflineEmissionsTracker(
                project_name="greenkd",
                country_iso_code="FRA",
                region=None,
                cloud_provider=None,
                cloud_region=None,
                force_carbon_intensity_g_co2e_kwh=1.0,
                electricitymaps_api_token=None,
                measure_power_secs=_NEVER_S,
                api_call_interval=-1,
                output_dir=".",
                output_methods=[],
                output_handlers=[self._taker],
                emissions_endpoint=None,
                # Integers: CodeCarbon reads a UUID wrongly and then reports 0 J.
                gpu_ids=list(range(len(gpus))),
                tracking_mode=self.scope,
                force_cpu_power=cpu_tdp_w,
                force_ram_power=ram_w,
                force_mode_cpu_load=False,
                rapl_include_dram=False,
                rapl_prefer_psys=False,
                pue=1.0,
                wue=0.0,
                allow_multiple_runs=True,
                log_level="critical",
            )
            self._tracker.start()

        # CodeCarbon hides its own errors, and leaves a tracker behind that cannot be read.
        if not getattr(self._tracker, "_hardware", None):
            raise ConfigError("energy=codecarbon: CodeCarbon cannot be started here; choose energy=cpu_time")

        # Once a second it samples the load too, and weighs a sample by a length taken at another moment than the load,
        # so that a short one beside a reading charges too much. Readings alone add up; GPUs are still sampled.
        for item in self._tracker._hardware:
            if hasattr(item, "_tdp"):
                item.monitor_power = _nothing
        self._read_at_s = time.monotonic()

        # How its figures come about
        # CodeCarbon finds GPUs only where the program nvidia-smi is; what it does not find is absent.
        self._has_gpu = bool(gpus) and any(hasattr(item, "gpu_ids") for item in self._tracker._hardware)
        mode = next((getattr(item, "_mode", None) for item in self._tracker._hardware if hasattr(item, "_tdp")), None)
        self._cpu_source = {"intel_rapl": Source.MEASURED, "constant": Source.CONSTANT}.get(str(mode), Source.MODELLED)
        self.method = {"intel_rapl": "counter", "constant": "tdp_constant"}.get(str(mode), "load_model")
        self._limit_w = processor_limit_w() if self.method == "counter" else 0.0
        self._cpu_joules = 0.0
        tdp = next((item._tdp for item in self._tracker._hardware if hasattr(item, "_tdp")), None)
        ram = "constant" if ram_w is None else f"{ram_w:g} W"
        self.sensor = f"CPU {mode}, TDP {tdp} W, RAM {ram}, {len(gpus)} GPU(s)"
        self.expected: frozenset[Part] = frozenset({"cpu", "gpu"} if gpus else {"cpu"})

        # Its RAM figure is the whole machine's, in process mode too.
        devices: dict[Part, frozenset[str]] = {"ram": MACHINE, "gpu": frozenset(gpu.uuid for gpu in gpus)}
        self.shared: Mapping[Part, frozenset[str]] = devices | ({"cpu": MACHINE} if rapl else {})

    def snapshot(self) -> Reading:
        """Measures what has passed since the last reading.

        Raises:
            RuntimeError: The tracker gave no data; CodeCarbon hides its own errors.
        """
        time.sleep(max(0.0, self._read_at_s + _STALE_S - time.monotonic()))

        self._taker.total = None
        before_s, before_joules = self._read_at_s, self._cpu_joules
        self._tracker.flush()
        self._read_at_s = time.monotonic()

        total = self._taker.total
        if total is None:
            raise RuntimeError("the tracker handed no data over")
        self._cpu_joules = total.cpu_energy * _JOULES_PER_KWH

        cpu_j, seconds = self._cpu_joules - before_joules, self._read_at_s - before_s
        warning = leap("codecarbon", cpu_j, seconds, self._limit_w)

        return Reading(
            cpu=Component(self._cpu_joules, self._cpu_source),
            gpu=Component(total.gpu_energy * _JOULES_PER_KWH, Source.MEASURED) if self._has_gpu else ABSENT,
            ram=Component(total.ram_energy * _JOULES_PER_KWH, Source.CONSTANT),
            warnings=self._warnings if warning is None else (*self._warnings, warning),
            breaks=frozenset() if warning is None else frozenset({"cpu"}),
        )

    def close(self) -> None:
        """Stops the tracker, for good: CodeCarbon cannot start one again."""
        self._tracker.stop()


def _nothing() -> None:
    """Stands in for sampling the processor's load."""


class _Taker:
    """Takes what the tracker would write to a file; has the methods of CodeCarbon's `BaseOutput`."""

    def __init__(self) -> None:
        self.total: Any = None

    def out(self, total: Any, _delta: Any) -> None:
        self.total = total

    def live_out(self, _total: Any, _delta: Any) -> None:
        """Is not called: the tracker has no timer."""

    def exit(self) -> None:
        """Has no file to close."""
