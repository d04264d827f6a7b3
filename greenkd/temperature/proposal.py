"""What a study hands out: a trial to run."""

import dataclasses

import optuna

from greenkd.temperature.strategies import Params


@dataclasses.dataclass(frozen=True)
class Proposal:
    """A trial to run.

    Attributes:
        trial: Our number, from 0.
        params: What the strategy's schedule is made from, such as {"tau": 4.0}.
        handle: Optuna's side of it.
        reported: Epochs whose scores the study has from a process that ran the trial before.
    """

    trial: int
    params: Params
    handle: optuna.Trial
    reported: frozenset[int] = frozenset()
