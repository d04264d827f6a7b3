"""What the campaigns of one setting cost piece by piece, put together from pieces that were timed."""

import dataclasses
import statistics
from collections.abc import Sequence

from greenkd.campaign.inference import WINDOW_S
from greenkd.campaign.settings import Settings
from greenkd.estimate.pieces import Calibration
from greenkd.estimate.power import Power, mean_power
from greenkd.estimate.stopwatch import NO_WORK, PIECE_S, Work
from greenkd.estimate.synthesis import stand_in_data
from greenkd.estimate.wall_time import WallRange, wall_range
from greenkd.records import LedgerRow
from greenkd.training.backend.threads import MOST_AUTO, available_threads
from greenkd.training.context import TrainingContext

# A piece that is timed for seconds stands for minutes of work, beside neighbours that come and go and share caches and
# cores: ten small sweeps were missed by up to 15 % (`python -m benchmarks.estimate`).
LEAST_SPREAD = 0.15


@dataclasses.dataclass(frozen=True)
class Rates:
    """Costs within one setting.

    Attributes:
        setup: Of one campaign, beside its trials.
        trial: Of one trial, its test included.
        end: Of one campaign: the metered inference.
        teacher: Of the teacher's whole training.
        logits: Of all the teacher's logits of one seed.
        synthesis: Of all the images of the pool.
        low: CPU seconds of the cheapest single measurement over the mean.
        high: CPU seconds of the most expensive single measurement over the mean.
        wall: How far wall-clock time may lie from the mean.
        power: How the energy of such work follows from its seconds.
        source: Where the figures are from, in words.
    """

    setup: Work
    trial: Work
    end: Work
    teacher: Work
    logits: Work
    synthesis: Work
    low: float
    high: float
    wall: WallRange
    power: Power
    source: str


def from_calibration(
    calibration: Calibration, settings: Settings, context: TrainingContext, rows: Sequence[LedgerRow]
) -> Rates:
    """Puts timed pieces together.

    Args:
        calibration: The pieces.
        settings: Of a campaign that is made of them.
        context: Its data.
        rows: What the meter recorded while they were timed.
    """
    recipe, teacher, student = settings.training.recipe, calibration.teacher, calibration.student
    data = stand_in_data(settings, context.data)
    images, others = len(data.test), sum(map(len, data.selections.values()))
    samples = data.loader(settings.seed, recipe.batch_size).samples

    evaluation = calibration.student_evaluation.times(images + others)
    trial = calibration.trial + student.epoch.times(recipe.epochs) + evaluation
    window = 0.0 if settings.smoke else WINDOW_S
    end = _inference(calibration.student_evaluation, images, window)

    teacher_training = NO_WORK
    paces = [student.samples]
    if teacher is not None:
        end += _inference(calibration.teacher_evaluation, images, window)
        test = calibration.teacher_evaluation.times(images)
        teacher_training = teacher.epoch.times(settings.training.teacher_recipe().epochs) + test
        paces.append(teacher.samples)

    low, high = cpu_range(paces)
    return Rates(
        setup=calibration.setup,
        trial=trial,
        end=end,
        teacher=teacher_training,
        logits=calibration.logits.times(samples * recipe.epochs) if calibration.logits else NO_WORK,
        synthesis=calibration.synthesis,
        low=low,
        high=high,
        wall=wall_range(student.samples, threads_of(settings, context)),
        power=mean_power(rows),
        source=f"timed here, {PIECE_S:g} s or a few steps of each network",
    )


def cpu_range(measured: Sequence[Sequence[Work]]) -> tuple[float, float]:
    """Returns CPU seconds of the cheapest and of the most expensive measurement over their means.

    Args:
        measured: Measurements of equal work, for each kind of work.
    """
    low, high = 1 - LEAST_SPREAD, 1 + LEAST_SPREAD
    for samples in measured:
        mean_s = statistics.fmean(sample.cpu_s for sample in samples) or 1.0
        low = min(low, *(sample.cpu_s / mean_s for sample in samples))
        high = max(high, *(sample.cpu_s / mean_s for sample in samples))
    return low, high


def threads_of(settings: Settings, context: TrainingContext) -> int:
    """Returns how many threads a campaign's trainings may keep busy."""
    if context.device.type != "cpu":
        return 1
    most = MOST_AUTO if settings.threads == "auto" else settings.threads
    return min(most, available_threads())


def _inference(evaluation: Work, images: int, window_s: float) -> Work:
    """Returns the cost of the metered inference: a warm-up pass over the test set, then passes that fill the window."""
    test = evaluation.times(images)
    passes = 1 + max(1.0, window_s / test.duration_s)
    return test.times(passes)
