"""What a rule is: it says what each sample of a batch is softened by."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import nn

from greenkd.softening import RuleInputs, Softening
from greenkd.temperature.schedules import TauRange


@dataclass(frozen=True, slots=True)
class RuleSetup:
    """What a rule may need to know of the training before it begins.

    Attributes:
        num_classes: K.
        epochs: Epochs of the whole training.
        seed: Seed of the training.
        tau_range: What the strategy draws or searches τ from; None where it has no range.
    """

    num_classes: int
    epochs: int
    seed: int
    tau_range: TauRange | None = None


class Rule(nn.Module, ABC):
    """Turns a step's base τ and the logits of both networks into the temperatures that soften them.

    A rule hangs on the objective of one training: its parameters are trained by the student's optimiser, and its
    parameters and buffers lie in the student's checkpoints. What it learns or remembers has to be one of these, and
    what it draws a function of the seed, so that a resumed training equals an uninterrupted one. It never reads a
    tensor's value on the host (`.item()`, `if tensor`), which would make every step wait for the accelerator.

    Gradients flow through the temperatures, unless a rule detaches what it computes them from.
    """

    ignores_base_tau: bool = False
    """Whether the schedule's τ changes nothing: then there is nothing to search, and a search is refused."""
    draws: bool = False
    """Whether τ is drawn, and not read off the networks or the labels."""

    def __init__(self) -> None:
        # Without it nn.Module's open signature would let any mistyped setting through to a traceback.
        super().__init__()

    def setup(self, setup: RuleSetup) -> None:
        """Takes up what it needs to know of the training; called once, before the rule is moved to the device."""

    def observe(self, inputs: RuleInputs) -> None:
        """Looks at a batch before it is softened; called once per step, for a rule that remembers.

        The objective may ask for several softenings in one step (several τ, or a peer that learns as well).
        """

    @abstractmethod
    def forward(self, inputs: RuleInputs) -> Softening:
        """Returns the temperatures of one batch; all of them above 0."""
