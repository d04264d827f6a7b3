"""Tries an objective on a tiny batch before anything is trained: what it returns, and whether a student can learn."""

import torch
from torch import Tensor

from greenkd.errors import ConfigError
from greenkd.objectives.base import LossInputs, Objective, Setup
from greenkd.objectives.multibox import OFFSETS
from greenkd.objectives.teacher_anchors import keep_anchors

_IMAGES = 4
_WANTED = "wanted is the mean loss of the batch: a floating-point tensor of shape [], finite, with a gradient to logits"


def try_objective(
    objective: Objective,
    setup: Setup,
    image_shape: tuple[int, int, int],
    output_shape: tuple[int, ...],
    name: str,
    device: torch.device,
) -> None:
    """Lets an objective say what a few of the training images cost whose logits and features are made up.

    Args:
        objective: Set up, on the device; to be thrown away, since it may have learned.
        setup: What it was set up with.
        image_shape: [C, H, W] of an image.
        output_shape: Of what a network says about an image: [K], or [A, K+1+4] in detection.
        name: The objective's option, for messages.
        device: Where the batch lies.

    Raises:
        ConfigError: It breaks off, or what it returns cannot be minimised.
    """
    where = f"objective={name} ({type(objective).__name__})"
    shown = f"a batch of {_IMAGES} images, logits {[_IMAGES, *output_shape]}"
    batch = _batch(objective, setup, image_shape, output_shape, device)
    try:
        with torch.random.fork_rng(devices=[]):
            loss = objective.train()(batch)
            problem = _problem(loss)
            if problem is None:
                loss.backward()
    except ConfigError:
        raise
    except Exception as error:  # whatever an objective of the user's own dies of, it would die of in every training
        first_line = (str(error).splitlines() or [""])[0]
        raise ConfigError(f"{where}: breaks off on {shown}, with {type(error).__name__}: {first_line}") from error

    learned = (batch.student_logits, batch.student_features)
    if problem is None and all(tensor is None or tensor.grad is None for tensor in learned):
        problem = "returned a loss on which the student's outputs have no influence"
    if problem is not None:
        raise ConfigError(f"{where}: {problem} on {shown}; {_WANTED}")


def _batch(
    objective: Objective,
    setup: Setup,
    image_shape: tuple[int, int, int],
    output_shape: tuple[int, ...],
    device: torch.device,
) -> LossInputs:
    images = min(_IMAGES, len(setup.train_labels))
    generator = torch.Generator().manual_seed(0)

    def made_up(*shape: int) -> Tensor:
        return torch.randn(images, *shape, generator=generator).to(device)

    # In detection every anchor has a label, and anchors of each class have a box.
    labels = setup.train_labels[:images].to(device)
    if len(output_shape) > 1:
        labels = (torch.arange(output_shape[0], device=device) % setup.num_classes).expand(images, -1)

    teacher_logits = None if objective.teacher is None else made_up(*output_shape)
    if teacher_logits is not None and objective.teacher_anchors is not None:
        teacher_logits = keep_anchors(teacher_logits, labels, objective.teacher_anchors)

    student, teacher = setup.student_feature_size, setup.teacher_feature_size
    tau = torch.full((), 4.0, device=device)
    return LossInputs(
        images=made_up(*image_shape),
        labels=labels,
        indices=torch.arange(images, device=device),
        student_logits=made_up(*output_shape).requires_grad_(),
        teacher_logits=teacher_logits,
        student_features=None if student is None else made_up(student).requires_grad_(),
        teacher_features=None if teacher is None else made_up(teacher),
        tau_student=tau,
        tau_teacher=tau.clone(),
        epoch=0,
        offsets=made_up(output_shape[0], OFFSETS) if len(output_shape) > 1 else None,
    )


def _problem(loss: object) -> str | None:
    """Returns what is wrong with a loss; None if nothing is."""
    if not isinstance(loss, Tensor):
        return f"returned a {type(loss).__name__}"
    if loss.dim() or not loss.is_floating_point():
        return f"returned a tensor of {loss.dtype} and shape {list(loss.shape)}"
    if not bool(torch.isfinite(loss)):
        return f"returned {loss.item()}"
    return None if loss.requires_grad else "returned a loss without a gradient"
