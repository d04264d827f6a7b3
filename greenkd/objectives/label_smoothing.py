"""Label smoothing: part of each label's weight is spread over the other classes."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from greenkd.errors import ConfigError
from greenkd.objectives.base import NO_MATRIX_PRODUCTS, NO_TEMPERATURE, LossFlops, LossInputs, Objective, Setup
from greenkd.objectives.divergence import cross_entropy


class LabelSmoothing(Objective):
    """−Σ_k u_k·log softmax(z)_k, mean over the batch, with u = 1−ε on the label and ε/(K−1) on each other class.

    Tf-KD's baseline "LSR" spreads ε over the K−1 other classes. PyTorch's `label_smoothing` spreads it over all K,
    the label included, so ε here is ε·K/(K−1) there. τ has no meaning here.

    Args:
        smoothing: The weight ε taken from the label, below 1 − 1/K (there all classes would be equally right).

    Source: Szegedy et al., CVPR 2016, section 7, in the form of Yuan et al., CVPR 2020 (`loss_label_smoothing`).
    """

    refuses_rules = NO_TEMPERATURE

    def __init__(self, *, smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1) -> None:
        super().__init__()
        self.smoothing = smoothing

    def setup(self, setup: Setup) -> None:
        """Checks the smoothing against the number of classes.

        Raises:
            ConfigError: A wrong class would weigh as much as the label.
        """
        limit = 1 - 1 / setup.num_classes
        if self.smoothing >= limit:
            raise ConfigError(
                f"objective.smoothing={self.smoothing}: must be below {limit:.4g} (1 − 1/{setup.num_classes} classes), "
                "or a wrong class weighs as much as the label; the usual value is 0.1"
            )

    def flops(self) -> LossFlops:
        """States none: there is no matrix product in the loss."""
        return NO_MATRIX_PRODUCTS

    def forward(self, batch: LossInputs) -> Tensor:
        """Returns the loss, 0-dim."""
        classes = batch.student_logits.shape[1]
        return cross_entropy(batch.student_logits, batch.labels, self.smoothing * classes / (classes - 1))
