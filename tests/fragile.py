"""An objective for tests of failures: breaks at one τ while a file says so."""

from pathlib import Path

from torch import Tensor

from greenkd.objectives import KD, LossInputs


class Fragile(KD):
    """KD that fails at τ = 8 as long as `switch` exists, in the way its first line names."""

    def __init__(self, switch: str) -> None:
        super().__init__()
        self._switch = Path(switch)

    def forward(self, batch: LossInputs) -> Tensor:
        if batch.tau_student == 8 and self._switch.exists():
            how = self._switch.read_text()
            if how == "memory":
                raise MemoryError("Unable to allocate")
            if how == "nan":
                return super().forward(batch) * float("nan")
            raise RuntimeError("a bug of the user's")
        return super().forward(batch)
