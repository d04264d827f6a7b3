"""Optuna's CMA-ES sampler, without its unpickling of whatever the study's file holds.

Optuna stores the optimiser's state as a pickle in the study, and a pickle can call any function: a `study.db` from
somebody else would run code when its campaign is resumed. `cmaes_state` reads it without calling anything.
"""

from collections.abc import Iterable
from typing import Any

from cmaes import CMA
from optuna.samplers import CmaEsSampler
from optuna.trial import FrozenTrial

from greenkd.errors import StorageError
from greenkd.temperature.cmaes_state import ForeignStateError, read_optimiser

# In hexadecimal digits, as Optuna keeps it; far more than any state has.
_MAX_DIGITS = 1 << 22


class SafeCmaEsSampler(CmaEsSampler):
    """CMA-ES whose stored state may consist of the optimiser's numbers and arrays alone."""

    def find_problem(self, trials: Iterable[FrozenTrial]) -> str | None:
        """Reads the state that each of these trials keeps, if any.

        Returns:
            What is wrong with the first one that is no state of CMA-ES; None if all are sound.
        """
        for trial in trials:
            try:
                self._stored_optimiser(trial)
            except ForeignStateError as error:
                return f"the state of CMA-ES in it {error}"

        return None

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> Any:
        for trial in reversed(completed_trials):
            try:
                optimiser = self._stored_optimiser(trial)
            except ForeignStateError as error:
                raise StorageError(
                    f"the state of CMA-ES in study.db {error}; run the same command again, which sets the file aside, "
                    "or delete study.db: it is built anew from trials.jsonl"
                ) from error
            if optimiser is not None:
                return optimiser

        return None

    def _stored_optimiser(self, trial: FrozenTrial) -> CMA | None:
        """Returns the optimiser whose state a trial keeps; None if it keeps none.

        Raises:
            ForeignStateError: It is damaged, or something else.
        """
        parts = {key: part for key, part in trial.system_attrs.items() if key.startswith(self._attr_key_optimizer)}
        if not parts:
            return None
        if not all(isinstance(part, str) for part in parts.values()) or sum(map(len, parts.values())) > _MAX_DIGITS:
            raise ForeignStateError("is no text, or too long")

        try:
            state = bytes.fromhex(self._concat_optimizer_attrs(parts))
        except (KeyError, ValueError) as error:
            raise ForeignStateError("is cut or garbled") from error
        return read_optimiser(state)
