"""The FLOPs of campaigns that are still to be run: counts per image times images, known before anything is timed.

They are those that the ledgers will hold, to the last one, where every planned trial is trained to its end; a pruner
can only lower them, and those of successive halving are taken in proportion to its epochs. Metered inference is left
out, since it fills a second with as many passes as it can, and so are attempts that fail, and the test of a teacher,
which no campaign is charged.
"""

import dataclasses
import statistics
from collections import Counter
from collections.abc import Sequence

from greenkd.campaign.settings import Settings
from greenkd.campaign.student import build_learner
from greenkd.estimate.synthesis import SynthesisFlops, stand_in_data, synthesis_flops
from greenkd.objectives.teacher_anchors import kept_shape
from greenkd.teacher.live import LiveTeacher
from greenkd.teacher.logit_bank import bank_size_bytes
from greenkd.temperature import Params
from greenkd.training.context import TrainingContext
from greenkd.training.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class PlannedFlops:
    """FLOPs of the pieces of a campaign.

    Attributes:
        trial: One training of the student with its validations and its test; the mean of a grid's combinations, where
            searched settings of the objective change its FLOPs.
        live_teacher: The teacher's passes over one training; once for all of one seed that are trained in lockstep. 0
            with a bank.
        teacher: The teacher's training with its validations.
        logits: All the logits of one seed's bank.
        synthesis: All the images of the pool; 0 where students see the data set's.
    """

    trial: float
    live_teacher: float
    teacher: float
    logits: float
    synthesis: float = 0.0

    def trials(self, seeds: Sequence[int], together: int) -> float:
        """Returns the FLOPs of some trials.

        Args:
            seeds: The seed of each; trials of other seeds see other batches, so no teacher's pass serves both.
            together: How many of one seed are trained in lockstep.
        """
        passes = sum(-(-number // together) for number in Counter(seeds).values())
        return len(seeds) * self.trial + passes * self.live_teacher


def planned_flops(settings: Settings, context: TrainingContext) -> PlannedFlops:
    """Counts the FLOPs of the pieces of a campaign.

    Args:
        settings: The campaign's.
        context: Its data and networks.

    Raises:
        ConfigError: A network or the objective does not fit.
    """
    networks, recipe = context.networks, settings.training.recipe
    students = dataclasses.replace(context, data=stand_in_data(settings, context.data))
    data = students.data
    samples = data.loader(settings.seed, recipe.batch_size).samples

    # The teacher, and whether its logits are stored
    teacher = logits = live = 0.0
    synthesis = SynthesisFlops(pool=0.0, trial=0.0)
    feature_size = None
    source = settings.build_objective().teacher
    if source is not None:
        network = networks.build(settings.network(source).mapping, source, 0)
        flops = networks.flops(network)
        feature_size = LiveTeacher(
            network, recipe, flops.forward, settings.build_objective().wants_features
        ).feature_size

        teacher_recipe, seed = settings.training.teacher_recipe(), settings.training.teacher.seed
        teacher_samples = context.data.loader(seed, teacher_recipe.batch_size).samples
        teacher = teacher_recipe.epochs * teacher_samples * flops.training
        teacher += _validations(teacher_recipe) * len(context.data.validation) * flops.forward

        student = networks.build(settings.student.mapping, "student", settings.seed)
        synthesis = synthesis_flops(settings, context, network, student)

        passes = recipe.epochs * samples * flops.forward
        if feature_size is None and not synthesis.trial and _fits_bank(settings, students, samples):
            logits = passes
        else:
            live = passes

    # The student, under each objective that is searched
    evaluated = _validations(recipe) * len(data.validation) + len(data.test) + sum(map(len, data.selections.values()))
    learners = [build_learner(settings, students, feature_size, values) for values in _objectives(settings)]
    trial = synthesis.trial + statistics.fmean(
        recipe.epochs * samples * learner.flops.training + evaluated * learner.evaluation_flops for learner in learners
    )
    return PlannedFlops(trial=trial, live_teacher=live, teacher=teacher, logits=logits, synthesis=synthesis.pool)


def _objectives(settings: Settings) -> list[Params | None]:
    """Returns the searched values of the objective's settings, each combination once; one None where there are none."""
    found: dict[tuple[object, ...], Params] = {}
    for params in settings.strategy.queue():
        values = {key: value for key, value in params.items() if key.startswith("objective.")}
        found[tuple(values.items())] = values
    return [values or None for values in found.values()] or [None]


def _validations(recipe: Recipe) -> int:
    """Returns how often a training is validated: every so many epochs, and after the last."""
    return -(-recipe.epochs // recipe.validate_every)


def _fits_bank(settings: Settings, context: TrainingContext, samples: int) -> bool:
    training, data = settings.training, context.data
    shape = kept_shape(data.task.output_shape(data.dataset), settings.build_objective().teacher_anchors)
    needed = bank_size_bytes(samples, shape, training.recipe.epochs, training.bank_dtype)
    return training.bank and needed <= int(training.bank_limit_gb * 1e9)
