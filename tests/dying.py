"""A process that dies of SIGKILL by its own hand: at a chosen step, write or test."""

import dataclasses
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import safetensors.torch

from greenkd.campaign.folder import CampaignFolder
from greenkd.records import (
    CampaignRecord,
)
from greenkd.tasks import ClassificationEvaluator, DetectionEvaluator
from greenkd.training.stop_signals import StopFlag

Moment = Literal["second", "step", "write", "test"]


@dataclasses.dataclass(frozen=True)
class Kill:
    """When a child dies: after so many seconds, or at its n-th step, write or test, counted from 1."""

    moment: Moment
    number: float


class Suicide:
    """Counts steps, writes and tests of this process, and dies at the chosen one."""

    def __init__(self, kill: Kill | None, seed: int) -> None:
        self._kill = kill
        self._random = random.Random(seed)
        self.counts: Counter[Moment] = Counter()

    def reached(self, moment: Moment) -> bool:
        self.counts[moment] += 1
        kill = self._kill
        return kill is not None and kill.moment == moment and self.counts[moment] == kill.number

    def now(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Hooks into what makes a step, puts a file on disk, and opens the test set."""
        write, replace, save, check = os.write, Path.replace, safetensors.torch.save_file, StopFlag.check
        update = CampaignFolder.update
        chosen = False

        def dying_write(descriptor: int, data: bytes) -> int:
            if self.reached("write"):
                write(descriptor, data[: self._random.randrange(len(data) + 1)])
                self.now()
            return write(descriptor, data)

        def dying_replace(path: Path, target: Any) -> Path:
            if self.reached("write"):
                if self._random.random() < 0.5:
                    replace(path, target)
                self.now()
            return replace(path, target)

        def dying_save(tensors: Any, path: Any, header: Any) -> None:
            save(tensors, path, header)
            if self.reached("write"):
                os.truncate(path, self._random.randrange(Path(path).stat().st_size + 1))
                self.now()

        def dying_check(flag: StopFlag) -> None:
            if self.reached("step"):
                self.now()
            check(flag)

        def dying_after(look: Callable[..., Any]) -> Callable[..., Any]:
            def dying_look(*arguments: Any) -> Any:
                result = look(*arguments)
                if chosen and self.reached("test"):
                    self.now()
                return result

            return dying_look

        def dying_update(folder: CampaignFolder, **changes: object) -> CampaignRecord:
            nonlocal chosen
            record = update(folder, **changes)
            chosen = chosen or "chosen_trial" in changes
            if chosen and self.reached("test"):
                self.now()
            return record

        os.write, Path.replace, safetensors.torch.save_file = dying_write, dying_replace, dying_save
        StopFlag.check, CampaignFolder.update = dying_check, dying_update
        for evaluator in (ClassificationEvaluator, DetectionEvaluator):
            for name in ("examine", "use"):
                setattr(evaluator, name, dying_after(getattr(evaluator, name)))
