"""What a search tries besides τ: the settings under `temperature.search`, and the values of each.

The notation is that of Hydra's sweeps: a list, or one of the functions of its override grammar as a text, and
`log(low, high)` beside them.
"""

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated

import pydantic
from hydra.core.override_parser.overrides_parser import OverridesParser, create_functions
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep
from hydra.errors import HydraException
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from greenkd.errors import ConfigError
from greenkd.identity import flatten

Value = float | int | bool | str

_NOTATIONS = (
    "give a list [0.5, 0.9], or a text: range(1, 5) for 1 to 4; with an Optuna search also interval(0.5, 0.99), or "
    "log(0.01, 0.2) for an interval that is searched on a logarithmic scale"
)
# Of an interval, a point inside that is no whole number: settings that are counts refuse it.
_INSIDE = (math.sqrt(5) - 1) / 2


class Domain(ABC):
    """The values that a search may give to one setting."""

    @abstractmethod
    def distribution(self) -> BaseDistribution:
        """Returns what an Optuna sampler draws from."""

    @abstractmethod
    def samples(self) -> tuple[Value, ...]:
        """Returns values to try the setting with before anything is trained: all of them where they are listed."""


@dataclasses.dataclass(frozen=True)
class Choices(Domain):
    """Listed values without an order.

    Attributes:
        values: Each once.
    """

    values: tuple[Value, ...]

    def distribution(self) -> BaseDistribution:
        """Returns the listed values."""
        return CategoricalDistribution(self.values)

    def samples(self) -> tuple[Value, ...]:
        """Returns the listed values."""
        return self.values


@dataclasses.dataclass(frozen=True)
class Steps(Choices):
    """Whole numbers at equal distances, which a sampler knows the order of.

    Attributes:
        step: From one to the next.
    """

    step: int

    def distribution(self) -> BaseDistribution:
        """Returns the whole numbers in their order."""
        return IntDistribution(int(self.values[0]), int(self.values[-1]), step=self.step)


@dataclasses.dataclass(frozen=True)
class Interval(Domain):
    """All numbers between two.

    Attributes:
        low: The smallest.
        high: The largest.
        log: Whether they are searched on a logarithmic scale.
    """

    low: float
    high: float
    log: bool = False

    def distribution(self) -> BaseDistribution:
        """Returns the interval."""
        return FloatDistribution(self.low, self.high, log=self.log)

    def samples(self) -> tuple[Value, ...]:
        """Returns both ends and a number between them that is not whole."""
        return self.low, self.high, self.low + _INSIDE * (self.high - self.low)


SearchSpace = Mapping[str, Domain]


def read_search_space(config: object) -> dict[str, Domain]:
    """Reads `temperature.search`.

    Args:
        config: Dotted keys of settings, or the same nested, with their values; None: nothing is searched but τ. Values
            that are a `Domain` already are taken as they are.

    Returns:
        The domain of each setting, sorted by key, so that the order in which they are written changes nothing.

    Raises:
        ConfigError: It is no mapping, or says nothing that could be searched.
    """
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise ConfigError(
            f"temperature.search={config!r}: holds settings with their values, as in "
            "'temperature.search={objective.alpha: [0.5, 0.9]}'"
        )
    return {key: _read_domain(f"temperature.search.{key}", value) for key, value in sorted(flatten(config))}


Search = Annotated[dict[str, Domain], pydantic.BeforeValidator(read_search_space)]
"""What `temperature.search` says, as the argument of a strategy."""


def _read_domain(where: str, value: object) -> Domain:
    if isinstance(value, Domain):
        return value
    if isinstance(value, str):
        return _read_text(where, value)
    if isinstance(value, list | tuple):
        return _choices(where, list(value))
    raise ConfigError(f"{where}={value!r}: is nothing to search; {_NOTATIONS}")


def _read_text(where: str, text: str) -> Domain:
    """Reads one of Hydra's functions, as its sweepers take them."""
    functions = create_functions()
    functions.register("log", _log)
    try:
        override = OverridesParser(functions).parse_override(f"value={text}")
    except HydraException as error:
        first_line = str(error).splitlines()[0]
        raise ConfigError(f"{where}={text!r}: cannot be read ({first_line}); {_NOTATIONS}") from error

    sweep = override._value
    if isinstance(sweep, ChoiceSweep):
        return _choices(where, list(sweep.list))
    if isinstance(sweep, RangeSweep):
        return _steps(where, text, sweep)
    if isinstance(sweep, IntervalSweep):
        return _interval(where, text, sweep)
    if isinstance(sweep, list):
        return _choices(where, sweep)
    raise ConfigError(f"{where}={text!r}: is nothing to search; {_NOTATIONS}")


def _log(start: int | float, end: int | float) -> IntervalSweep:
    """What `log(low, high)` means: Hydra's `tag(log, interval(low, high))`."""
    return IntervalSweep(start=float(start), end=float(end), tags={"log"})


def _choices(where: str, values: list[object]) -> Choices:
    for value in values:
        if not isinstance(value, float | int | str):
            raise ConfigError(f"{where}: {value!r} cannot be searched; list numbers, words, true or false")
    if not values:
        raise ConfigError(f"{where}=[]: is nothing to search; {_NOTATIONS}")

    spellings = [repr(float(value)) if isinstance(value, float | int) else value for value in values]
    repeated = sorted({str(value) for value, text in zip(values, spellings, strict=True) if spellings.count(text) > 1})
    if repeated:
        raise ConfigError(f"{where}: lists {', '.join(repeated)} more than once; list each value once")
    return Choices(tuple(value for value in values if isinstance(value, float | int | str)))


def _steps(where: str, text: str, sweep: RangeSweep) -> Choices:
    start, stop, step = sweep.start, sweep.stop, sweep.step
    if not (isinstance(start, int) and isinstance(stop, int) and isinstance(step, int)):
        raise ConfigError(f"{where}={text}: a range has whole numbers; give a list, or interval(low, high)")

    numbers = sorted(range(start, stop, step)) if step else []
    if len(numbers) < 2:
        raise ConfigError(f"{where}={text}: has fewer than two numbers; the second one is left out, as in Python")
    return Steps(tuple(numbers), step=abs(step))


def _interval(where: str, text: str, sweep: IntervalSweep) -> Interval:
    low, high, log = float(sweep.start or 0), float(sweep.end or 0), "log" in sweep.tags
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(f"{where}={text}: the first number has to be smaller than the second, both finite")
    if log and low <= 0:
        raise ConfigError(f"{where}={text}: a logarithmic scale begins above 0")
    return Interval(low, high, log)
