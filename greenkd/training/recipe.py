"""The optimiser recipe: what `training=…` chooses, and the learning rate at every step."""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any, Literal

import pydantic
import torch
from pydantic import Field
from torch import nn

from greenkd.components import OwnSeed, check_keys, read
from greenkd.training.backend.placement import ParallelMode

Whole = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_STRICT = pydantic.ConfigDict(extra="forbid")


@pydantic.dataclasses.dataclass(frozen=True, config=_STRICT)
class Recipe:
    """How one network is trained: SGD with momentum, warm-up, and a falling learning rate.

    Attributes:
        lr: Peak learning rate.
        warmup_epochs: Epochs over which the rate rises linearly, step by step, to `lr`.
        lr_schedule: After warm-up: `multistep` (times `gamma` at each milestone), `cosine` (to zero at the last step),
            or `constant`.
        milestones: Epochs at whose start a `multistep` rate falls.
        precision: `bf16` runs the networks under bfloat16 autocast; `auto` does so on GPUs that have it.
        validate_every: Epochs between two validations; the last epoch is always validated.
    """

    epochs: Whole
    batch_size: Annotated[int, Field(ge=2)]
    lr: Rate
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = False
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 5e-4
    warmup_epochs: Annotated[int, Field(ge=0)] = 0
    lr_schedule: Literal["multistep", "cosine", "constant"] = "cosine"
    milestones: tuple[Whole, ...] = ()
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    validate_every: Whole = 1

    def __post_init__(self) -> None:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov=true needs momentum > 0")
        if self.lr_schedule == "multistep" and list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"milestones={list(self.milestones)} must rise, like [30,60,80]")

    def learning_rate(self, step: int, steps_per_epoch: int) -> float:
        """Returns the rate of one step, counted over the whole training from zero."""
        warmup = self.warmup_epochs * steps_per_epoch
        if step < warmup:
            return self.lr * (step + 1) / warmup

        if self.lr_schedule == "multistep":
            return self.lr * self.gamma ** sum(step // steps_per_epoch >= epoch for epoch in self.milestones)
        if self.lr_schedule == "cosine":
            steps = max(self.epochs * steps_per_epoch - warmup, 1)
            return self.lr * (1 + math.cos(math.pi * (step - warmup) / steps)) / 2
        return self.lr

    def optimizer(self, parameters: list[nn.Parameter]) -> torch.optim.SGD:
        """Returns SGD over all parameters, biases and batch norms decayed as in the literature's recipes."""
        return torch.optim.SGD(
            parameters,
            lr=self.lr,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            fused=True,
        )

    def autocast(self, device: torch.device) -> AbstractContextManager[object]:
        """Returns the context in which the networks run."""
        bf16 = self.precision == "bf16" or (
            self.precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported()
        )
        return torch.autocast(device.type, torch.bfloat16) if bf16 else nullcontext()


@pydantic.dataclasses.dataclass(frozen=True, config=_STRICT)
class TeacherTraining:
    """How the teacher's training differs from the student's.

    Attributes:
        seed: The teacher's own seed, so that campaigns of all seeds share one teacher; `per_seed` in the configuration
            lets it follow the campaign's seed, so that each seed has a teacher of its own.
    """

    seed: OwnSeed = 0
    epochs: Whole | None = None
    lr: Rate | None = None
    batch_size: Annotated[int, Field(ge=2)] | None = None


@pydantic.dataclasses.dataclass(frozen=True, config=_STRICT)
class TrainingOptions:
    """The whole `training` group.

    Attributes:
        bank: Store the teacher's logits and reuse them in later trials; `auto`: in classification.
        bank_dtype: Of the stored logits: `float32` changes no bit of a result, `float16` takes half the space.
        bank_limit_gb: Largest size of all stored logits; beyond it the oldest go.
        fold_teacher: Fold the teacher's batch norms into its convolutions, where its logits then stay within a bound.
        checkpoint_every_s: Seconds between two checkpoints of a running training.
        parallel_trials: Trials that run side by side; `auto`: as many as there are CPUs; in lockstep eight, or in
            detection all that are known beforehand.
        parallel_mode: `processes`: each in a process of its own with its share of the CPUs; `lockstep`: in one process,
            step by step on the same batches, the teacher asked once for all; `auto`: processes on CPUs, lockstep on
            GPUs and where a detector's teacher is asked for every batch.
        compile: Run the students' training steps through `torch.compile`, which needs a C++ compiler.
        deterministic: Use no kernel whose sums come in another order each time. On a CPU there is none.
    """

    name: str
    recipe: Recipe
    teacher: TeacherTraining
    bank: bool | Literal["auto"]
    bank_dtype: Literal["float32", "float16"]
    bank_limit_gb: Annotated[float, Field(gt=0)]
    fold_teacher: bool
    checkpoint_every_s: Annotated[float, Field(gt=0)]
    parallel_trials: Whole | Literal["auto"]
    parallel_mode: ParallelMode
    compile: bool
    deterministic: bool

    def teacher_recipe(self) -> Recipe:
        """The student's recipe with the teacher's epochs, learning rate and batch size."""
        changes = {name: getattr(self.teacher, name) for name in ("epochs", "lr", "batch_size")}
        fields = {name: getattr(self.recipe, name) for name in Recipe.__dataclass_fields__}
        return Recipe(**(fields | {key: value for key, value in changes.items() if value is not None}))


def read_options(config: Mapping[str, Any]) -> TrainingOptions:
    """Reads the group `training`, in which the recipe's settings stand beside all others.

    Raises:
        ConfigError: A key is unknown or missing, or a value is refused.
    """
    recipe_names = list(Recipe.__dataclass_fields__)
    other_names = [name for name in TrainingOptions.__dataclass_fields__ if name != "recipe"]
    check_keys(config, other_names + recipe_names, "training")

    options: dict[str, Any] = {key: value for key, value in config.items() if key in other_names}
    options["teacher"] = read(TeacherTraining, config.get("teacher"), "training.teacher")
    options["recipe"] = read(Recipe, {key: config[key] for key in recipe_names if key in config}, "training")
    return read(TrainingOptions, options, "training")
