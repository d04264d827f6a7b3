"""From the `energy` part of a configuration to an open monitor."""

import atexit
import functools
import inspect
import json
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from greenkd.carbon import find_intensity
from greenkd.components import build, check_keys, read
from greenkd.energy.device_sharing import Sharers
from greenkd.energy.meters.base import Meter
from greenkd.energy.monitor import EnergyMonitor
from greenkd.energy.row_builder import CarbonTerms
from greenkd.errors import StorageError
from greenkd.records.row_files import claim_row_file


@dataclass(frozen=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class EnergyOptions:
    """The settings every option of the group `energy` has, whatever the meter.

    Attributes:
        name: Of the option, as shown in tables.
        country: The country whose electricity is used: ISO 3166 code of three or two letters, or English name; None for
            the world average.
        region: A state, province or bidding zone of that country.
        intensity_g_per_kwh: A carbon intensity of the user's own, instead of the table's.
        pue: Power usage effectiveness of the building; energies are stored without it.
        heartbeat_s: Longest time between two writes of the ledger.
        watts_per_thread: Wattage of the CPU-time model that is recorded beside every meter.
    """

    name: str = "custom"
    country: str | None = None
    region: str | None = None
    intensity_g_per_kwh: Annotated[float, Field(ge=0)] | None = None
    pue: Annotated[float, Field(ge=1)] = 1.0
    heartbeat_s: Annotated[float, Field(gt=0, le=3600)] = 15.0
    watts_per_thread: Annotated[float, Field(gt=0)] = 4.0


def open_monitor(
    config: Mapping[str, Any],
    *,
    campaign_id: str,
    ledger: Path,
    synchronize: Callable[[], None] | None = None,
) -> EnergyMonitor:
    """Opens a campaign's energy monitor; use it in a `with` block.

    The meter is opened on the first call in a process and kept for later campaigns; its start-up is charged to no
    phase.

    Args:
        config: The resolved group `energy`: `_target_` of the meter with its options, and those of `EnergyOptions`.
        campaign_id: Written on every row.
        ledger: The campaign's `ledger.jsonl`.
        synchronize: Waits for the GPU, `torch.cuda.synchronize`; None on the CPU.

    Raises:
        ConfigError: A setting is refused.
        StorageError: The ledger cannot be written.
    """
    options, terms, meter_config = read_config(config, campaign_id)
    meter, sharers = _open_meter(json.dumps(meter_config, sort_keys=True, default=str), options.watts_per_thread)

    # A ledger that cannot be written is refused before anything is trained.
    try:
        ledger.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{ledger}: cannot be written ({error.strerror}); make its folder writable") from error
    claim_row_file(ledger)

    return EnergyMonitor(
        meter, ledger=ledger, terms=terms, heartbeat_s=options.heartbeat_s, synchronize=synchronize, sharers=sharers
    )


def read_config(config: Mapping[str, Any], campaign_id: str) -> tuple[EnergyOptions, CarbonTerms, dict[str, Any]]:
    """Checks a configuration without opening a meter.

    Args:
        config: As for `open_monitor`.
        campaign_id: As for `open_monitor`.

    Returns:
        The common options, the terms of the monitor, and the settings of the meter.

    Raises:
        ConfigError: A setting is refused.
    """
    # The options that every meter has, and those of this one
    common = {field.name for field in fields(EnergyOptions)}
    meter_config = {key: value for key, value in config.items() if key not in common}
    _check_meter_keys(meter_config, sorted(common))
    options = read(EnergyOptions, {key: value for key, value in config.items() if key in common}, "energy")

    # Prices and names for the rows
    intensity = find_intensity(options.country, options.region, options.intensity_g_per_kwh)
    terms = CarbonTerms(
        campaign_id=campaign_id,
        intensity=intensity,
        pue=options.pue,
        pue_source="device energy only" if options.pue == 1 else "given by the user",
        watts_per_thread=options.watts_per_thread,
    )

    return options, terms, meter_config


def _check_meter_keys(meter_config: Mapping[str, Any], common: list[str]) -> None:
    """Refuses keys that neither the meter nor the common options know."""
    names = _keys_of_meter(str(meter_config.get("_target_")))
    if names is not None:
        keys = [key for key in meter_config if key != "_target_"]
        check_keys(keys, [*names, *common], "energy")


@functools.cache
def _keys_of_meter(target: str) -> tuple[str, ...] | None:
    """Returns the keys that a meter takes, given its `_target_`; None if it takes any, or is none."""
    try:
        parameters = inspect.signature(pkgutil.resolve_name(target)).parameters
    except (ImportError, AttributeError, ValueError):
        return None  # the builder says what is wrong with it
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return None if takes_any else tuple(parameters)


@functools.cache
def _open_meter(meter_config: str, watts_per_thread: float) -> tuple[Meter, Sharers | None]:
    """Opens a meter and looks for processes that read the same devices.

    Args:
        meter_config: The meter's `_target_` and settings as JSON, which the cache can compare.
        watts_per_thread: For meters that use the CPU-time model.
    """
    meter = build(
        json.loads(meter_config),
        where="energy",
        expect=Meter,  # type: ignore[type-abstract]
        given={"watts_per_thread": watts_per_thread},
    )
    meter.snapshot()  # warm: the first reading loads tables and finds devices
    atexit.register(meter.close)

    # Who else reads the devices
    if not any(meter.shared.values()):
        return meter, None
    try:
        sharers = Sharers(meter.shared)
    except OSError:  # no writable temporary folder: the rows then have no number of sharers
        return meter, None
    atexit.register(sharers.close)

    return meter, sharers
