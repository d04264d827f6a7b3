"""Optuna's CMA-ES sampler, without its unpickling of whatever the study's file holds.

Optuna stores the optimiser's state as a pickle in the study, and a pickle can call any function: a `study.db` from
somebody else would run code when its campaign is resumed. Here only the classes that such a state consists of are
admitted; none of them calls anything.
"""

import io
import pickle
from typing import Any

from optuna.samplers import CmaEsSampler
from optuna.trial import FrozenTrial

from greenkd.errors import StorageError

_ADMITTED = {
    ("cmaes._cma", "CMA"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy.random._mt19937", "MT19937"),
    ("numpy.random._pickle", "__bit_generator_ctor"),
    ("numpy.random._pickle", "__randomstate_ctor"),
}


class SafeCmaEsSampler(CmaEsSampler):
    """CMA-ES whose stored state may consist of arrays, random states and the optimiser alone."""

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> Any:
        for trial in reversed(completed_trials):
            parts = {k: v for k, v in trial.system_attrs.items() if k.startswith(self._attr_key_optimizer)}
            if parts:
                state = bytes.fromhex(self._concat_optimizer_attrs(parts))
                return _OptimizerStateOnly(io.BytesIO(state)).load()

        return None


class _OptimizerStateOnly(pickle.Unpickler):
    """Refuses every name but those that an optimiser's state consists of."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise StorageError(
                f"the state of CMA-ES in study.db names {module}.{name}, which has no business there; "
                "delete study.db: it is built anew from trials.jsonl"
            )

        return super().find_class(module, name)
