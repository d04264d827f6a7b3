"""Tries a strategy's schedule on a tiny training before anything is trained: what it returns, whether it repeats."""

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution

from greenkd.errors import ConfigError
from greenkd.temperature.schedules import Schedule, Temperatures
from greenkd.temperature.strategies import Params, Strategy

_EPOCHS, _STEPS = 2, 3
_WANTED = (
    f"wanted is greenkd.temperature.Temperatures(teacher, student), float32 arrays of shape [{_STEPS}] for an epoch of "
    f"{_STEPS} steps, finite and above 0; Temperatures.shared(taus) makes one of an array for both"
)


def try_schedule(strategy: Strategy) -> None:
    """Asks the schedule of a strategy's first trial for two epochs of three steps.

    Args:
        strategy: Any; one whose trials are neither listed nor drawn from a space is not tried.

    Raises:
        ConfigError: The schedule breaks off, is none, returns what cannot soften, or another τ at the second asking.
    """
    params = _first_params(strategy)
    if params is None:
        return

    name = f"temperature ({type(strategy).__name__})"
    try:
        schedule = strategy.schedule(params)
        name = f"temperature.schedule ({type(schedule).__name__})"
        if not isinstance(schedule, Schedule):
            raise ConfigError(f"{name}: has no method temperatures(*, seed, epoch, epochs, steps); {_WANTED}")
        asked = [_ask(schedule, epoch) for epoch in range(_EPOCHS)]
        again = [_ask(schedule, epoch) for epoch in range(_EPOCHS)]
    except ConfigError:
        raise
    except Exception as error:  # whatever a schedule of the user's own dies of, it would die of in every training
        first_line = (str(error).splitlines() or [""])[0]
        raise ConfigError(
            f"{name}: breaks off on epoch 0 of {_EPOCHS}, {_STEPS} steps, with {type(error).__name__}: {first_line}"
        ) from error

    for temperatures, repeated in zip(asked, again, strict=True):
        problem = _problem(temperatures)
        if problem is not None:
            raise ConfigError(f"{name}: {problem}; {_WANTED}")
        if _problem(repeated) is not None or not _are_equal(temperatures, repeated):
            raise ConfigError(
                f"{name}: returned another τ when it was asked again; it has to be a function of (seed, epoch, epochs, "
                "steps) alone, or a training that is resumed would not be the same: draw by "
                "greenkd.streams.numpy_stream(seed, 'a name', epoch)"
            )


def _ask(schedule: Schedule, epoch: int) -> object:
    return schedule.temperatures(seed=0, epoch=epoch, epochs=_EPOCHS, steps=_STEPS)


def _first_params(strategy: Strategy) -> Params | None:
    """Returns a trial's parameters: those of the first that is listed, or the lowest of what they are drawn from."""
    listed = strategy.queue()
    if listed:
        return listed[0]

    space = strategy.space()
    return {name: _lowest(distribution) for name, distribution in space.items()} if space else None


def _lowest(distribution: BaseDistribution) -> float | int | str:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]  # type: ignore[return-value]
    return distribution.low  # type: ignore[attr-defined,no-any-return]


def _problem(returned: object) -> str | None:
    """Returns what is wrong with the τ of an epoch; None if nothing is."""
    if not isinstance(returned, Temperatures):
        return f"returned a {type(returned).__name__}"

    for field in ("teacher", "student"):
        taus = getattr(returned, field)
        if not isinstance(taus, np.ndarray):
            return f"{field} is a {type(taus).__name__}"
        if taus.dtype != np.float32 or taus.shape != (_STEPS,):
            return f"{field} is {taus.dtype} of shape {list(taus.shape)}"
        if not np.isfinite(taus).all() or not (taus > 0).all():
            return f"{field} is {taus.tolist()}"
    return None


def _are_equal(first: object, second: object) -> bool:
    return all(np.array_equal(getattr(first, field), getattr(second, field)) for field in ("teacher", "student"))
