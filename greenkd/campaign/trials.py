"""One attempt at one trial: build the student, train it under its schedule, keep its weights, write its row."""

import dataclasses
import errno
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

from greenkd.campaign.settings import Settings
from greenkd.energy import Flops
from greenkd.errors import ConfigError, StorageError
from greenkd.objectives import Setup
from greenkd.records import EpochRow, Phase, StepsRow, TrialRow, TrialStatus, append_row, not_written
from greenkd.temperature import Proposal
from greenkd.training.bench import Bench
from greenkd.training.checkpoint import Checkpointer
from greenkd.training.interrupt import TrainingInterruptedError
from greenkd.training.learner import Learner
from greenkd.training.loop import Billing, Fit, FitResult, TeacherSignal
from greenkd.training.weights import load_tensors, save_tensors

log = logging.getLogger(__name__)

DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)

# Reports an epoch's validation accuracy; True if a pruner wants the training stopped.
Judge = Callable[[EpochRow], bool]


@dataclasses.dataclass(frozen=True)
class TrialRunner:
    """Runs the trials of one campaign.

    Attributes:
        bench: Data, device, energy book.
        settings: The campaign's settings.
        folder: The campaign's folder.
        teacher: Where the teacher's outputs come from; None where the objective needs none.
        teacher_features: Length of the teacher's feature vector, where features are distilled.
    """

    bench: Bench
    settings: Settings
    folder: Path
    teacher: TeacherSignal | None
    teacher_features: int | None

    def weights_path(self, trial: int) -> Path:
        """Returns where a trial's last weights lie until the campaign has chosen."""
        return self.folder / "trials" / str(trial) / "weights.safetensors"

    @property
    def student_path(self) -> Path:
        """Where the chosen trial's weights lie when the campaign has ended."""
        return self.folder / "student.safetensors"

    def weights(self, trial: int) -> dict[str, Tensor] | None:
        """Reads a trial's last weights; None if they are lost or damaged, which is said."""
        for path in (self.weights_path(trial), self.student_path):
            if not path.exists():
                continue
            try:
                tensors, meta = load_tensors(path)
            except StorageError as error:
                log.warning("%s", error)
                continue
            if meta.get("trial") == trial:
                return tensors
        return None

    def learner(self) -> Learner:
        """Builds a student with its objective; the same initial weights for every trial of a seed."""
        bench, settings = self.bench, self.settings
        recipe, config, seed = settings.training.recipe, settings.config["student"], settings.seed
        network = bench.network(config, "student", seed)
        objective = settings.objective()
        objective.setup(
            Setup(
                num_classes=bench.dataset.num_classes,
                train_labels=bench.train.labels,
                student_feature_size=_feature_size(network) if objective.wants_features else None,
                teacher_feature_size=self.teacher_features,
                build_peer=lambda: bench.network(config, "student", seed, index=1),
                seed=seed,
                epochs=recipe.epochs,
            )
        )
        steps = bench.feed(seed, recipe.batch_size).steps
        own, *others = (bench.flops(each) for each in (network, *objective.networks()))
        flops = Flops(
            forward=own.forward + sum(each.forward for each in others),
            training=own.training + sum(each.training for each in others),
        )
        return Learner(
            network,
            objective.to(bench.device),
            recipe,
            flops,
            own.forward,
            seed,
            steps,
            compiled=settings.training.compile,
        )

    def run(self, proposal: Proposal, attempt: int, judge: Judge) -> TrialRow:
        """Runs one attempt and writes its row, however it ends.

        Raises:
            TrainingInterruptedError: A stop was asked for; the attempt's row and checkpoint are written.
            StorageError: The disk does not take what has to be kept.
        """
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        checkpoint = self.folder / "trials" / str(proposal.trial) / "checkpoint.safetensors"
        checkpointer = Checkpointer(checkpoint, self.settings.training.checkpoint_every_s, proposal.params)

        def row(status: TrialStatus, result: FitResult | None, cause: str | None = None) -> TrialRow:
            self.bench.book.flush()
            costs = self.bench.book.costs(trial=proposal.trial, attempt=attempt)
            return TrialRow(
                trial=proposal.trial,
                attempt=attempt,
                status=status,
                params=proposal.params,
                epochs=result.epochs if result else 0,
                val_accuracy=result.val_accuracy if result else None,
                val_loss=result.val_loss if result else None,
                train_loss=result.train_loss if result else None,
                duration_s=costs.duration_s,
                cpu_s=costs.cpu_s,
                energy_kwh=costs.energy_kwh,
                co2eq_g=costs.co2eq_g,
                flops=costs.flops,
                started_at=started_at,
                cause=cause,
            )

        try:
            learner = self.learner()
            result = self._fit(learner, proposal, attempt, checkpointer, judge)
            save_tensors(self.weights_path(proposal.trial), learner.network.state_dict(), {"trial": proposal.trial})
            finished = row(TrialStatus.PRUNED if result.pruned else TrialStatus.COMPLETE, result)
        except TrainingInterruptedError as error:
            append_row(self.folder / "trials.jsonl", row(TrialStatus.INTERRUPTED, None, str(error)))
            raise
        except (ConfigError, StorageError):
            raise
        except OSError as error:
            if error.errno in DISK_FAULTS:  # no fault of this trial, and no other would fare better
                raise not_written(Path(error.filename or self.folder), error) from error
            finished = row(TrialStatus.FAILED, None, _cause(error))
        except Exception as error:  # whatever a trial dies of is one failed row; the campaign goes on
            log.debug("trial %d failed", proposal.trial, exc_info=True)
            finished = row(TrialStatus.FAILED, None, _cause(error))
        append_row(self.folder / "trials.jsonl", finished)
        checkpointer.remove()
        return finished

    def _fit(
        self, learner: Learner, proposal: Proposal, attempt: int, checkpointer: Checkpointer, judge: Judge
    ) -> FitResult:
        settings, bench = self.settings, self.bench
        recipe = settings.training.recipe

        def on_epoch(row: EpochRow, steps: StepsRow | None) -> bool:
            append_row(self.folder / "epochs.jsonl", row)
            if steps is not None:
                append_row(self.folder / "steps.jsonl", steps)
            return judge(row)

        return Fit(
            learner=learner,
            feed=bench.feed(settings.seed, recipe.batch_size),
            recipe=recipe,
            schedule=settings.strategy.schedule(proposal.params),
            teacher=self.teacher,
            validation=bench.validation,
            seed=settings.seed,
            billing=Billing(bench.book, Phase.STUDENT_TRAINING, proposal.trial, attempt),
            checkpointer=checkpointer,
            stop=bench.stop,
            on_epoch=on_epoch,
            device=bench.device,
            threads=bench.threads,
            processes=bench.processes,
        ).run()


def _feature_size(network: torch.nn.Module) -> int:
    linears = [module for module in network.modules() if isinstance(module, torch.nn.Linear)]
    return linears[-1].in_features


def _cause(error: Exception) -> str:
    first = (str(error).splitlines() or [""])[0]
    if isinstance(error, torch.OutOfMemoryError):
        return "out of memory; lower training.batch_size"
    return first if type(error).__module__.startswith("greenkd") else f"{type(error).__name__}: {first}"
