"""The data of a campaign whose students see other images than those the teacher was trained on."""

from functools import cached_property

from greenkd.data import Images
from greenkd.tasks import Evaluator
from greenkd.training.data_module import DataModule


class StudentData(DataModule):
    """Students train on these images; all else is as in the data set they stand in for.

    Args:
        real: The data set's; its test split stays the test split.
        images: What students are trained on, with the teacher's labels.
        held_out: Further ones, with the teacher's labels: accuracy on them is agreement with the teacher.
        name: What the images are told by, for what depends on them.
        selects_by_agreement: τ is chosen on the held-out images, not on the data set's validation split.
    """

    def __init__(
        self, real: DataModule, images: Images, held_out: Images, name: str, *, selects_by_agreement: bool
    ) -> None:
        super().__init__(real.task, real.options, real.dataset, real.device)
        self.real = real
        self._images, self._held_out = images, held_out
        self._name = name
        self._selects_by_agreement = selects_by_agreement

    @property
    def train(self) -> Images:
        """What students are trained on, on the CPU."""
        return self._images

    @property
    def fingerprint(self) -> str:
        """Hash of what students are trained on."""
        return f"{super().fingerprint} {self._name}"

    @property
    def validation(self) -> Evaluator:
        """Evaluates on what selects τ."""
        return self.agreement if self._selects_by_agreement else self.real.validation

    @property
    def test(self) -> Evaluator:
        """Evaluates on the data set's test split, which selects nothing."""
        return self.real.test

    @property
    def selections(self) -> dict[str, Evaluator]:
        """What τ can be chosen by, by the names of the setting `selection`."""
        return {"validation": self.real.validation, "agreement": self.agreement}

    @cached_property
    def agreement(self) -> Evaluator:
        """Evaluates on the held-out images: the score is the share on which student and teacher agree."""
        return self.evaluator(self._held_out)
