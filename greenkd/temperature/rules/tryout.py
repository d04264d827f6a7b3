"""Tries a rule on a tiny batch before anything is trained: what it returns, and whether a student can learn from it."""

import copy

import torch
from torch import Tensor

from greenkd.errors import ConfigError
from greenkd.softening import RuleInputs, Softening
from greenkd.temperature.rules.base import Rule, RuleSetup
from greenkd.temperature.schedules import TauRange

_SAMPLES, _CLASSES, _EPOCHS = 3, 5, 2


def try_rule(rule: Rule, tau_range: TauRange | None = None) -> None:
    """Softens three made-up samples of five classes with a copy of the rule.

    Args:
        rule: Not set up yet; it is left as it is.
        tau_range: The strategy's range of τ.

    Raises:
        ConfigError: The rule breaks off, or what it returns cannot soften logits [3, 5].
    """
    name = f"temperature.rule ({type(rule).__name__})"
    tried = copy.deepcopy(rule)
    inputs = _inputs()
    try:
        tried.setup(RuleSetup(num_classes=_CLASSES, epochs=_EPOCHS, seed=0, tau_range=tau_range))
        tried.observe(inputs)
        softening = tried(inputs)
    except Exception as error:  # whatever a rule of the user's own dies of, it would die of in every training
        first_line = (str(error).splitlines() or [""])[0]
        raise ConfigError(
            f"{name}: breaks off on logits [{_SAMPLES}, {_CLASSES}] with {type(error).__name__}: {first_line}"
        ) from error

    wanted = (
        f"wanted is greenkd.softening.Softening(tau_student, tau_teacher, factor), tensors of shape [], "
        f"[{_SAMPLES}, 1] or [{_SAMPLES}, {_CLASSES}] for logits [{_SAMPLES}, {_CLASSES}] (factor: [] or "
        f"[{_SAMPLES}, 1]), finite and above 0"
    )
    if not isinstance(softening, Softening):
        raise ConfigError(f"{name}: returned a {type(softening).__name__}; {wanted}")
    for field, value in softening._asdict().items():
        problem = _problem(field, value)
        if problem:
            raise ConfigError(f"{name}: {field} is {problem}; {wanted}")


def _inputs() -> RuleInputs:
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, _SAMPLES, _CLASSES, generator=generator).unbind()
    tau = torch.tensor(4.0)
    return RuleInputs(
        student_logits=student.requires_grad_(),
        teacher_logits=teacher,
        labels=torch.arange(_SAMPLES),
        indices=torch.arange(_SAMPLES),
        tau_student=tau,
        tau_teacher=tau,
        epoch=0,
    )


def _problem(field: str, value: object) -> str | None:
    """Returns what is wrong with one field of a softening; None if nothing is."""
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    if not value.is_floating_point():
        return f"of dtype {value.dtype}"

    shapes = [(), (_SAMPLES, 1)] + ([] if field == "factor" else [(_SAMPLES, _CLASSES)])
    if tuple(value.shape) not in shapes:
        return f"of shape {list(value.shape)}"
    if not bool(torch.isfinite(value).all()) or not bool((value > 0).all()):
        return f"{value.detach().flatten().tolist()}"
    return None
