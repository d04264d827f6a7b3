"""What scores are called and how they are printed: the one place that knows one metric from another.

Records and frames name the metric of a campaign and hold fractions in [0, 1]. Headers, axes and sentences ask here.
"""

import dataclasses
from collections.abc import Iterable

from analysis import units


@dataclasses.dataclass(frozen=True)
class MetricWords:
    """The words and the unit of one metric.

    Attributes:
        name: Its name within a sentence.
        phrase: A value of it within a sentence, with its article.
        plural: Several of its values within a sentence.
        short: Its name in the header of a narrow column.
        unit: What is printed behind a value.
        scale: What a recorded value is multiplied by to be in that unit.
        loss: Name of the task's loss within a sentence, and its unit.
    """

    name: str
    phrase: str
    plural: str
    short: str
    unit: str = "%"
    scale: float = 100.0
    loss: tuple[str, str] = ("loss", "")

    @property
    def header(self) -> str:
        """Name and unit, for the header of a narrow column."""
        return f"{self.short} {self.unit}"

    @property
    def loss_header(self) -> str:
        """The loss and its unit, for the header of a narrow column."""
        return " ".join(filter(None, self.loss))

    @property
    def axis(self) -> str:
        """Name and unit, for an axis."""
        return f"{self.name}, {self.unit}"

    @property
    def title(self) -> str:
        """The name as the first word of a title."""
        return self.name[:1].upper() + self.name[1:] if self.name.islower() else self.name

    def text(self, value: float) -> str:
        """Returns a value in the unit, without it."""
        return units.fixed(self.scale * value)

    def mean_sd(self, mean: float, sd: float) -> str:
        """Returns mean ± standard deviation in the unit; the latter only where there is one."""
        return units.mean_sd(self.scale * mean, self.scale * sd)


_WORDS = {
    "accuracy": MetricWords(
        name="accuracy", phrase="an accuracy", plural="accuracies", short="acc.", loss=("CE", "nats")
    ),
    "mAP": MetricWords(name="mAP", phrase="an mAP", plural="mAP values", short="mAP"),
}
_ANY_SCORE = MetricWords(name="score", phrase="a score", plural="scores", short="score")


def metric_words(metrics: Iterable[str]) -> MetricWords:
    """Returns the words for the scores of some rows.

    Args:
        metrics: The metric of each row. Rows of different metrics, and no rows at all, are spoken of as scores.
    """
    names = set(metrics)
    if len(names) != 1:
        return _ANY_SCORE

    (name,) = names
    return _WORDS.get(name, MetricWords(name=name, phrase=name, plural=f"{name} values", short=name))
