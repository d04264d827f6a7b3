"""The trials of one campaign: builds students with their objectives, trains them, keeps their weights."""

import dataclasses
import logging
import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from greenkd.campaign.attempt import Attempt
from greenkd.campaign.settings import Settings
from greenkd.energy import Flops
from greenkd.errors import StorageError, TrainingInterruptedError
from greenkd.objectives import Setup
from greenkd.records import Phase, TrialRow
from greenkd.training.bench import Bench
from greenkd.training.learner import Learner
from greenkd.training.lockstep import Outcome, train_in_lockstep
from greenkd.training.safetensors_io import load_tensors, save_tensors
from greenkd.training.teacher_source import TeacherSource
from greenkd.training.trainer import Fit, FitResult, PhaseTag

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class TrialRunner:
    """Runs the trials of one campaign.

    Attributes:
        bench: Data, device, energy monitor.
        settings: The campaign's settings.
        folder: The campaign's folder.
        teacher: Where the teacher's outputs come from; None where the objective needs none.
        teacher_features: Length of the teacher's feature vector, where features are distilled.
    """

    bench: Bench
    settings: Settings
    folder: Path
    teacher: TeacherSource | None
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
        objective = settings.build_objective()
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
        steps = bench.loader(seed, recipe.batch_size).steps
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

    def run(self, attempts: Sequence[Attempt]) -> Iterator[TrialRow]:
        """Trains, more than one in lockstep, keeps weights and writes rows, however the attempts end.

        Yields:
            Each attempt's row when it is on disk.

        Raises:
            TrainingInterruptedError: A stop was asked for; the rows and checkpoints of all attempts are written.
            ConfigError: An attempt died of a setting that does not fit.
            StorageError: The disk does not take what has to be kept.
        """
        interrupted: TrainingInterruptedError | None = None
        for attempt, outcome in self._train(attempts):
            row = attempt.conclude(self.folder, self.bench.monitor, outcome)
            if isinstance(outcome, TrainingInterruptedError):
                interrupted = outcome
                continue
            attempt.checkpointer(self.folder, math.inf).remove()
            yield row
        if interrupted is not None:
            raise interrupted

    def _train(self, attempts: Sequence[Attempt]) -> Iterator[tuple[Attempt, Outcome]]:
        of: dict[int, Attempt] = {}
        fits: list[Fit] = []
        for attempt in attempts:
            try:
                fits.append(self._fit(attempt))
            except Exception as error:  # whatever a trial dies of is one failed row; the campaign goes on
                yield attempt, error
            else:
                of[id(fits[-1])] = attempt
        for fit, outcome in train_in_lockstep(fits) if len(fits) > 1 else map(_alone, fits):
            attempt = of[id(fit)]
            if isinstance(outcome, FitResult):
                weights = fit.learner.network.state_dict()
                save_tensors(self.weights_path(attempt.trial), weights, {"trial": attempt.trial})
            yield attempt, outcome

    def _fit(self, attempt: Attempt) -> Fit:
        settings, bench = self.settings, self.bench
        recipe = settings.training.recipe
        return Fit(
            learner=self.learner(),
            loader=bench.loader(settings.seed, recipe.batch_size),
            recipe=recipe,
            schedule=settings.strategy.schedule(attempt.proposal.params),
            teacher=self.teacher,
            validation=bench.validation,
            seed=settings.seed,
            tag=PhaseTag(bench.monitor, Phase.STUDENT_TRAINING, attempt.trial, attempt.number),
            checkpointer=attempt.checkpointer(self.folder, settings.training.checkpoint_every_s),
            stop=bench.stop,
            on_epoch=partial(attempt.epoch_finished, self.folder),
            device=bench.device,
            threads=bench.threads,
            processes=bench.processes,
        )


def _alone(fit: Fit) -> tuple[Fit, Outcome]:
    try:
        return fit, fit.run()
    except Exception as error:  # whatever a trial dies of is one failed row; the campaign goes on
        return fit, error


def _feature_size(network: torch.nn.Module) -> int:
    linears = [module for module in network.modules() if isinstance(module, torch.nn.Linear)]
    return linears[-1].in_features
