"""What holds for each objective alike, whatever its formula."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from greenkd.objectives import LossInputs, Objective

from .batches import EVERY, make, make_batch

every = pytest.mark.parametrize("name", EVERY)


@every
@pytest.mark.parametrize("tau", [0.5, 100.0])
@pytest.mark.parametrize("scale", [3.0, 30.0])
def test_gradients_are_finite_in_bf16_at_extreme_temperatures(name: str, tau: float, scale: float) -> None:
    objective = make(name)
    batch = make_batch(dtype=torch.bfloat16, scale=scale, tau=tau, epoch=30)
    batch = replace(batch, images=batch.images.float())
    loss = objective(batch)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.shape == ()
    assert torch.isfinite(loss)
    for tensor in (batch.student_logits, *objective.parameters()):
        assert tensor.grad is not None
        assert torch.isfinite(tensor.grad).all()
    assert batch.student_logits.grad is not None
    assert batch.student_logits.grad.abs().max() > 0


@every
def test_bf16_logits_are_computed_with_in_float32(name: str) -> None:
    low = make_batch(dtype=torch.bfloat16)
    low = replace(low, images=low.images.float())
    exact = replace(
        low,
        **{
            field: getattr(low, field).detach().float()
            for field in ("student_logits", "teacher_logits", "student_features", "teacher_features")
        },
    )
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not name.startswith("dml")):
        loss = make(name)(low)
    assert loss.item() == make(name)(exact).item()


# DML's gradient leaves out that each network also is the other's target, so its loss has another slope: test_dml.py.
@pytest.mark.parametrize("name", [name for name in EVERY if name != "dml"])
def test_gradient_equals_finite_differences(name: str) -> None:
    objective = make(name).double()
    batch = make_batch(tau_student=torch.tensor(2.0), tau_teacher=torch.tensor(3.0), epoch=1)
    if name == "crd":
        objective(replace(batch, epoch=0))  # sets Z
    initial = copy.deepcopy(objective.state_dict())

    def loss(logits: Tensor, *parameters: Tensor) -> Tensor:
        objective.load_state_dict(initial)
        values = dict(zip((name for name, _ in objective.named_parameters()), parameters, strict=True))
        result: Tensor = torch.func.functional_call(objective, values, (replace(batch, student_logits=logits),))
        return result

    parameters = [parameter.detach().clone().requires_grad_() for parameter in objective.parameters()]
    assert torch.autograd.gradcheck(loss, (batch.student_logits, *parameters))


class Unread(TorchDispatchMode):
    """Refuses what makes the host wait for a GPU: reading a value, and results whose shape depends on values."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        assert name not in ("_local_scalar_dense", "nonzero", "masked_select", "unique2", "equal"), name
        if name in ("index", "index_put", "index_put_"):
            assert not any(index is not None and index.dtype == torch.bool for index in args[1]), "boolean index"
        return func(*args, **(kwargs or {}))


@every
def test_forward_does_not_read_the_device(name: str) -> None:
    objective = make(name)
    for epoch in (0, 1):
        batch = make_batch(dtype=torch.float32, epoch=epoch)
        with Unread():
            objective(batch).backward()


@pytest.mark.parametrize("reading", [lambda x: x.sum().item(), lambda x: bool(x[0] > 0), lambda x: x[x > 0]])
def test_reading_the_device_would_be_noticed(reading: Callable[[Tensor], object]) -> None:
    with pytest.raises(AssertionError), Unread():
        reading(torch.ones(3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@every
def test_a_gpu_gives_the_same_loss_without_waiting(name: str) -> None:
    expected = make(name)(make_batch(dtype=torch.float32)).item()
    objective = make(name).to("cuda")
    batch = make_batch(dtype=torch.float32)
    moved = {
        field: value.to("cuda")
        for field in LossInputs.__dataclass_fields__
        if isinstance(value := getattr(batch, field), Tensor)
    }
    batch = replace(batch, **moved)
    torch.cuda.set_sync_debug_mode("error")
    try:
        loss = objective(batch)
        loss.backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@every
def test_temperature_matters_exactly_where_the_objective_says_so(name: str) -> None:
    losses = {make(name)(make_batch(dtype=torch.float32, tau=tau)).item() for tau in (2.0, 9.0)}
    assert (len(losses) == 2) == make(name).uses_temperature


@every
def test_objectives_without_a_teacher_do_not_look_at_one(name: str) -> None:
    objective, batch = make(name), make_batch(dtype=torch.float32)
    without = replace(batch, teacher_logits=None, teacher_features=None)
    if objective.teacher is None:
        assert objective(without).item() == make(name)(batch).item()
    else:
        with pytest.raises(ValueError, match="teacher_"):
            objective(without)


@every
def test_resumed_training_equals_uninterrupted_training(name: str) -> None:
    whole, whole_student = trained(name, None, epochs=range(4))
    first, student = trained(name, None, epochs=range(2))
    saved = copy.deepcopy((first.state_dict(), student.state_dict()))
    second, student = trained(name, saved, epochs=range(2, 4))
    assert_equal(whole.state_dict(), second.state_dict())
    assert_equal(whole_student.state_dict(), student.state_dict())


def assert_equal(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert torch.equal(value, right[name]), name


def trained(
    name: str, saved: tuple[dict[str, Tensor], dict[str, Tensor]] | None, epochs: range
) -> tuple[Objective, nn.Module]:
    """Trains a linear student and the objective's own parts for some epochs of three batches, from scratch or saved."""
    objective, student = make(name), nn.Linear(9, 5)
    nn.init.constant_(student.weight, 0.1)
    nn.init.constant_(student.bias, 0.0)
    if saved is not None:
        objective.load_state_dict(saved[0])
        student.load_state_dict(saved[1])
    optimiser = torch.optim.SGD([*student.parameters(), *objective.parameters()], lr=0.05)
    for epoch in epochs:
        for step in range(3):
            batch = make_batch(10 * epoch + step, dtype=torch.float32, tau=2.0 + step, epoch=epoch)
            inputs = batch.images.flatten(1)
            batch = replace(
                batch, student_logits=student(inputs), student_features=student(inputs)[:, :1].expand(-1, 6)
            )
            optimiser.zero_grad()
            objective(batch).backward()
            optimiser.step()
    return objective, student
