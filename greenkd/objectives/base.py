"""What every objective receives and returns: one batch in, one loss out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from greenkd.objectives.divergence import full_precision
from greenkd.softening import RuleInputs, Softening, squared_tau

NO_TEMPERATURE = "it has no temperature"
"""Why a rule cannot act on an objective on which τ has no effect."""


@dataclass(frozen=True, slots=True)
class LossInputs:
    """One training step as an objective sees it, with B images, K classes; all tensors on one device.

    In detection there are A anchors to each image: labels [B, A] with 0 for the background, logits [B, A, K+1+4], the
    last four of them the box's offsets, and the offsets that are to be predicted. An objective with `teacher_anchors`
    gets of the teacher's logits what `greenkd.objectives.teacher_anchors` keeps.

    `tau_student` and `tau_teacher` change from step to step. They stay tensors on the device: reading their value on
    the host would make every step wait for the accelerator.
    """

    images: Tensor  # [B, C, H, W] float, what the student saw
    labels: Tensor  # [B] int64
    indices: Tensor  # [B] int64, positions in the training split
    student_logits: Tensor  # [B, K]
    teacher_logits: Tensor | None  # [B, K], no gradient; None where Objective.teacher is None
    student_features: Tensor | None  # [B, F], input of the student's last linear layer; only if wants_features
    teacher_features: Tensor | None  # [B, G], no gradient; only if wants_features
    tau_student: Tensor  # 0-dim float32
    tau_teacher: Tensor  # 0-dim float32
    epoch: int  # zero-based
    offsets: Tensor | None = None  # [B, A, 4], 0 on the background; None in classification


@dataclass(frozen=True, slots=True)
class Setup:
    """What an objective may need to create trainable parts of its own, with N training images.

    `build_peer` returns a second network of the student's architecture, with initial weights of its own: a peer with
    the student's weights would see the same batches, stay equal to the student and teach it nothing.
    """

    num_classes: int  # the background included, where there is one
    train_labels: Tensor  # [N] int64 on the CPU, in the order that LossInputs.indices refers to
    student_feature_size: int | None  # F of LossInputs.student_features; None: features are not wanted
    teacher_feature_size: int | None  # G of LossInputs.teacher_features
    build_peer: Callable[[], nn.Module]
    seed: int  # of the training
    epochs: int = 1  # of the whole training


@dataclass(frozen=True, slots=True)
class LossFlops:
    """FLOPs of an objective's own arithmetic for one training image, besides student, teacher and `networks`.

    Counted as everywhere: 1 multiply-accumulate = 2 FLOPs, convolutions and matrix products only. Softmax, logarithms
    and sums over classes are neither, so most objectives have none.
    """

    forward: float
    training: float  # forward and backward


NO_MATRIX_PRODUCTS = LossFlops(forward=0.0, training=0.0)
"""What an objective states that works on logits element by element."""


class Objective(nn.Module, ABC):
    """Turns student outputs, teacher outputs, labels and τ into one number to minimise.

    Life of an objective: constructed from the configuration, `setup` once, moved to the device, its parameters handed
    to the student's optimiser, its state_dict written to and read from the student's checkpoints, `forward` once per
    training step. Whatever it learns or remembers is a parameter or a buffer, and whatever it draws is a function of
    the seed and of a counter kept in a buffer, so a resumed training equals an uninterrupted one.

    An objective that softens by `self.soften(batch)` takes any rule, which says what each sample is softened by, and
    sets `refuses_rules = None`. The rule hangs on it as `rule`, and is trained and checkpointed with it.

    Subclasses keep to three rules: no host synchronisation in `forward` (no `.item()`, no branch on a tensor), float32
    arithmetic when logits arrive in a lower precision, and a scalar result that is a mean over the batch.
    """

    task: Literal["classification", "detection"] = "classification"
    """What it is a loss for; a data set of another task is refused."""
    teacher: Literal["teacher", "student"] | None = None
    """Which network supplies teacher_logits: the configured teacher, the student's own pretrained copy, or none."""
    uses_temperature: bool = False
    """Whether τ changes the loss; where it does not, tuning it is meaningless."""
    wants_features: bool = False
    """Whether LossInputs.student_features and LossInputs.teacher_features are needed."""
    teacher_anchors: int | None = None
    """How many anchors of each picture it needs the teacher's outputs for, in detection; None: all."""
    refuses_rules: str | None = "it reads batch.tau_student and batch.tau_teacher, not self.soften(batch)"
    """Why no rule but `shared` can act on it, as the end of "because …"; None: it takes every rule."""
    taus: tuple[float, ...] | None = None
    """Several base τ that it softens by in every step, in place of the schedule's one."""

    rule: nn.Module | None
    student_taus: Tensor | None

    def __init__(self) -> None:
        # Without it nn.Module's open signature would let any mistyped setting through to a traceback.
        super().__init__()
        # None: all samples share the schedule's τ. Else a greenkd.temperature.Rule, set before the first step.
        self.rule = None
        # What the rule softened the student by in the last step, without gradient.
        self.student_taus = None

    def setup(self, setup: Setup) -> None:
        """Creates parts that depend on the data set or on the networks; most objectives have none.

        Raises:
            greenkd.errors.ConfigError: A setting cannot be met with this data set or pair of networks.
        """

    def networks(self) -> list[nn.Module]:
        """Returns the networks that run on every image besides student and teacher, for the FLOP count."""
        return []

    def flops(self) -> LossFlops | None:
        """States what the loss itself costs per training image; asked after `setup`.

        Returns:
            The FLOPs of its matrix products and convolutions; None where nobody has stated them. Then they are not in
            the counts, and the campaign says so.
        """
        return None

    def soften(self, batch: LossInputs, *, teacher_logits: Tensor | None = None) -> Softening:
        """Returns what the rule softens a batch by; the schedule's τ where there is no rule.

        Call it once per step; it is what the step's τ is recorded from.

        Args:
            batch: The step.
            teacher_logits: [B, K], where they are not the batch's own.
        """
        (softening,) = self.soften_each(batch, None, teacher_logits=teacher_logits)
        return softening

    def soften_each(
        self, batch: LossInputs, taus: Sequence[float] | None, *, teacher_logits: Tensor | None = None
    ) -> list[Softening]:
        """Returns one softening for each of several base τ; otherwise as `soften`.

        Args:
            batch: The step.
            taus: The base τ; None: the schedule's one.
            teacher_logits: [B, K], where they are not the batch's own.
        """
        bases = [(batch.tau_student, batch.tau_teacher)]
        if taus is not None:
            bases = [(torch.full_like(batch.tau_student, tau),) * 2 for tau in taus]
        if self.rule is None:
            like = full_precision(batch.student_logits)
            return [Softening(*base, squared_tau(*base, like)) for base in bases]

        teacher_logits = present(batch.teacher_logits if teacher_logits is None else teacher_logits, "teacher_logits")
        inputs = [_rule_inputs(batch, batch.student_logits, teacher_logits, *base) for base in bases]
        self.rule.observe(inputs[0])  # type: ignore[operator]
        softenings: list[Softening] = [self.rule(one) for one in inputs]

        self.student_taus = torch.cat([softening.tau_student.detach().flatten() for softening in softenings])
        return softenings

    def soften_peer(self, batch: LossInputs, peer_logits: Tensor, target_logits: Tensor) -> Softening:
        """Returns what a second network is softened by that learns in the same step; `soften` goes before.

        Args:
            batch: The step.
            peer_logits: [B, K] of the network that learns.
            target_logits: [B, K] of the one that it learns from.
        """
        student, teacher = batch.tau_student, batch.tau_teacher
        if self.rule is None:
            return Softening(student, teacher, squared_tau(student, teacher, full_precision(peer_logits)))

        softening: Softening = self.rule(_rule_inputs(batch, peer_logits, target_logits, student, teacher))
        return softening

    @abstractmethod
    def forward(self, batch: LossInputs) -> Tensor:
        """Returns the loss of one training step, 0-dim, float32 (float64 for float64 logits)."""


def present(value: Tensor | None, name: str) -> Tensor:
    """Returns a field of `LossInputs` that this objective cannot do without.

    Args:
        value: The field.
        name: Its name, for the message.

    Raises:
        ValueError: The training loop left the field empty.
    """
    if value is None:
        raise ValueError(f"LossInputs.{name} is None, but this objective needs it")
    return value


def _rule_inputs(
    batch: LossInputs, student_logits: Tensor, teacher_logits: Tensor, tau_student: Tensor, tau_teacher: Tensor
) -> RuleInputs:
    return RuleInputs(
        student_logits=full_precision(student_logits),
        teacher_logits=full_precision(teacher_logits),
        labels=batch.labels,
        indices=batch.indices,
        tau_student=tau_student,
        tau_teacher=tau_teacher,
        epoch=batch.epoch,
    )
