"""Runs trials of one campaign: builds students, trains them, keeps their weights, writes how they ended."""

import dataclasses
import logging
import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from torch import Tensor

from greenkd.campaign.attempt import Attempt, trial_checkpointer
from greenkd.campaign.context import CampaignContext
from greenkd.campaign.searched_settings import settings_of_trial
from greenkd.campaign.student import build_learner
from greenkd.campaign.teacher import TeacherOutputsSource
from greenkd.errors import StorageError, TrainingInterruptedError
from greenkd.records import Phase, TrialRow, append_row
from greenkd.temperature import Params
from greenkd.training.learner import Learner
from greenkd.training.phase_tag import PhaseTag
from greenkd.training.safetensors_io import load_tensors, save_tensors
from greenkd.training.trainer import Ending, train
from greenkd.training.training import Training, TrainingResult

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class TrialRunner:
    """Runs the trials of one campaign.

    Attributes:
        context: The campaign.
        teacher: The teacher's outputs.
    """

    context: CampaignContext
    teacher: TeacherOutputsSource

    @property
    def _folder(self) -> Path:
        return self.context.folder.path

    def weights_path(self, trial: int) -> Path:
        """Returns where a trial's last weights lie until the campaign has chosen."""
        return self._folder / "trials" / str(trial) / "weights.safetensors"

    def stop(self, row: TrialRow) -> None:
        """Puts a trial on record as pruned that had paused, and removes the checkpoint that it would have gone on from.

        Args:
            row: The one that says so.
        """
        append_row(self._folder / "trials.jsonl", row)
        trial_checkpointer(self._folder, row.trial, row.params, math.inf).remove()

    @property
    def student_path(self) -> Path:
        """Where the chosen trial's weights lie when the campaign has ended."""
        return self._folder / "student.safetensors"

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

    def learner(self, params: Params | None = None) -> Learner:
        """Builds a student with its objective; the same initial weights for every trial of a seed.

        Args:
            params: The trial's parameters, which its seed, rule and searched settings follow from; None: of no trial.
        """
        return build_learner(self.context.settings, self.context.training, self.teacher.feature_size, params)

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
        for attempt, ending in self._train(attempts):
            row = attempt.conclude(self._folder, self.context.training.monitor, ending)
            if isinstance(ending, TrainingInterruptedError):
                interrupted = ending
                continue
            if row.status.has_ended:
                trial_checkpointer(self._folder, row.trial, row.params, math.inf).remove()
            yield row

        if interrupted is not None:
            raise interrupted

    def _train(self, attempts: Sequence[Attempt]) -> Iterator[tuple[Attempt, Ending]]:
        """Trains; yields each attempt when it has ended, its weights on disk."""
        attempt_of: dict[int, Attempt] = {}
        trainings: list[Training] = []
        for attempt in attempts:
            try:
                trainings.append(self._training(attempt))
            except Exception as error:  # whatever a trial dies of is one failed row; the campaign goes on
                yield attempt, error
            else:
                attempt_of[id(trainings[-1])] = attempt

        for training, ending in train(trainings):
            attempt = attempt_of[id(training)]
            if isinstance(ending, TrainingResult) and not ending.paused:
                weights = training.learner.network.state_dict()
                save_tensors(self.weights_path(attempt.trial), weights, {"trial": attempt.trial})
            yield attempt, ending

    def _training(self, attempt: Attempt) -> Training:
        params, training = attempt.proposal.params, self.context.training
        settings = settings_of_trial(self.context.settings, params)
        recipe = settings.training.recipe
        seed = settings.strategy.trial_seed(settings.seed, params)
        learner, loader = self.learner(params), training.data.loader(seed, recipe.batch_size)

        # Images of the trial's own come to those that all trials see.
        growth = None
        if self.context.growth is not None:
            loader = growing = training.data.growing_loader(seed, recipe.batch_size)
            growth = self.context.growth.begin(growing, learner.network, self.context.budget.before_step)

        return Training(
            context=training,
            learner=learner,
            loader=loader,
            recipe=recipe,
            schedule=settings.strategy.schedule(params),
            teacher=self.teacher.source(seed),
            validation=training.data.validation,
            seed=seed,
            tag=PhaseTag(Phase.STUDENT_TRAINING, attempt.trial, attempt.number),
            checkpointer=trial_checkpointer(self._folder, attempt.trial, params, settings.training.checkpoint_every_s),
            on_epoch=partial(attempt.epoch_finished, self._folder),
            before_epoch=self.context.budget.before_epoch,
            before_step=self.context.budget.before_step,
            growth=growth,
            pause_after=attempt.until,
        )
