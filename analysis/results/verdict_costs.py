"""What choosing τ took more than under a control, over the seeds that both have."""

import dataclasses
import math

import numpy as np
import pandas as pd

from analysis import units
from analysis.results.paired_tests import ratio_of_means
from analysis.results.spending import has_sensor, in_words

_MULTIPLES = ("energy_kwh", "cpu_s", "flops")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExtraCosts:
    """Costs of a strategy beside its control's; NaN where a part is missing.

    Attributes:
        has_sensor: Whether a sensor was read for all runs; if not, CPU seconds and FLOPs speak and joules do not.
        extra_kwh: Energy spent more than under the control, mean per seed.
        extra_cpu_s: CPU seconds, likewise.
        extra_co2eq_g: Grams of CO₂eq, likewise; NaN where they rest on different terms.
        extra_trainings: Complete trainings, likewise.
        multiples: By cost, the strategy's over the control's; energies of different meters have none.
    """

    has_sensor: bool
    extra_kwh: float
    extra_cpu_s: float
    extra_co2eq_g: float
    extra_trainings: float
    multiples: dict[str, float]

    @property
    def basis(self) -> str:
        """The column that the extra cost is counted in."""
        return "energy_kwh" if self.has_sensor else "cpu_s"

    @property
    def extra(self) -> float:
        """What was spent more than under the control, in the unit of `basis`."""
        return self.extra_kwh if self.has_sensor else self.extra_cpu_s

    @property
    def spent(self) -> str:
        """What was spent more, within a sentence, such as `33.1 CPU s`; empty where nothing is known."""
        amounts = {"cpu_s": self.extra_cpu_s}
        if self.has_sensor:
            amounts = {"energy_kwh": self.extra_kwh, "co2eq_g": self.extra_co2eq_g, **amounts}
        return ", ".join(units.amount(name, value) for name, value in amounts.items() if not math.isnan(value))

    @property
    def words(self) -> str:
        """The multiples within a sentence, such as `2.14× its energy`; empty where none is known."""
        names = ("energy_kwh",) if self.has_sensor else ("cpu_s", "flops")
        known = [(name, self.multiples[name]) for name in names if not math.isnan(self.multiples[name])]
        return " and ".join(f"{units.multiple(value)} its {in_words(name)}" for name, value in known)


def extra_costs(ours: pd.DataFrame, theirs: pd.DataFrame, *, mix_meters: bool) -> ExtraCosts:
    """Compares what a strategy and its control spent on choosing τ.

    Args:
        ours: The strategy's runs, one row per seed.
        theirs: The control's, seed by seed in the same order.
        mix_meters: Compare energies of different meters all the same.
    """
    multiples = {}
    for name in _MULTIPLES:
        pairs = zip(ours[f"tuning_{name}"].tolist(), theirs[f"tuning_{name}"].tolist(), strict=True)
        multiples[name] = ratio_of_means(list(pairs))

    extra_kwh = _mean_difference(ours, theirs, "tuning_energy_kwh")
    extra_co2eq_g = _mean_difference(ours, theirs, "tuning_co2eq_g")
    same_meter = _are_equal(ours, theirs, "meter")
    if not (same_meter or mix_meters):
        extra_kwh, multiples["energy_kwh"] = math.nan, math.nan
    if not (same_meter and _are_equal(ours, theirs, "carbon")) and not mix_meters:
        extra_co2eq_g = math.nan

    return ExtraCosts(
        has_sensor=has_sensor([*ours["meter"], *theirs["meter"]]),
        extra_kwh=extra_kwh,
        extra_cpu_s=_mean_difference(ours, theirs, "tuning_cpu_s"),
        extra_co2eq_g=extra_co2eq_g,
        extra_trainings=_mean_difference(ours, theirs, "complete_trials"),
        multiples=multiples,
    )


def _are_equal(ours: pd.DataFrame, theirs: pd.DataFrame, name: str) -> bool:
    return ours[name].tolist() == theirs[name].tolist()


def _mean_difference(ours: pd.DataFrame, theirs: pd.DataFrame, name: str) -> float:
    differences = ours[name].to_numpy(dtype=np.float64) - theirs[name].to_numpy(dtype=np.float64)
    return float(differences.mean()) if len(differences) else math.nan
