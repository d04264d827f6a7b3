"""Where a rule has to be the plain one, stand still, or stay finite."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from greenkd.temperature.rules import RULES, Learned, LossGap, PerSampleRandom, Rule, RuleSetup
from greenkd.temperature.schedules import TauRange
from tests.objectives.test_every_objective import Unread

from .batches import SAMPLES, SETUP, distillation, make_inputs, make_rule

TAUS = pytest.mark.parametrize("tau", [0.5, 4.0, 20.0])


def unit_spread(logits: Tensor) -> Tensor:
    return (logits - logits.mean(1, keepdim=True)) / logits.std(1, keepdim=True)


@TAUS
def test_logits_of_unit_spread_are_softened_as_by_the_shared_rule(tau: float) -> None:
    inputs = make_inputs(10, tau)
    inputs = replace(
        inputs,
        student_logits=unit_spread(inputs.student_logits.detach()),
        teacher_logits=unit_spread(inputs.teacher_logits),
    )
    plain = distillation(None, inputs).item()
    assert distillation(make_rule("standardised"), inputs).item() == pytest.approx(plain, rel=1e-6)
    # NormKD's factor is τ²·sd², which is τ² here.
    assert distillation(make_rule("standardised", factor="teacher"), inputs).item() == pytest.approx(plain, rel=1e-6)


@TAUS
def test_the_standardised_rule_does_not_see_the_scale_of_logits(tau: float) -> None:
    inputs = make_inputs(10, tau)
    larger = replace(inputs, student_logits=7 * inputs.student_logits, teacher_logits=0.3 * inputs.teacher_logits)
    rule = make_rule("standardised")
    assert distillation(rule, larger).item() == pytest.approx(distillation(rule, inputs).item(), rel=1e-5)


@TAUS
def test_networks_that_are_equally_sure_get_the_base_temperature(tau: float) -> None:
    inputs = make_inputs(10, tau)
    top = inputs.student_logits.detach().amax(1, keepdim=True)
    inputs = replace(inputs, teacher_logits=inputs.teacher_logits - inputs.teacher_logits.amax(1, keepdim=True) + top)
    softening = make_rule("dynamic")(inputs)
    assert torch.allclose(softening.tau_student, torch.full((SAMPLES, 1), tau, dtype=torch.float64))
    assert torch.allclose(softening.tau_teacher, torch.full((SAMPLES, 1), tau, dtype=torch.float64))


@pytest.mark.parametrize("top", [(-3.0, 3.0), (-3.0, -3.0), (0.0, 0.0), (5.0, -1e-9), (1e4, 1.0)])
def test_dynamic_temperatures_stay_within_their_margin(top: tuple[float, float]) -> None:
    # The source's denominator vanishes, or turns negative, where largest logits are not positive.
    inputs = make_inputs()
    student, teacher = (
        logits - logits.amax(1, keepdim=True) + largest
        for logits, largest in zip((inputs.student_logits.detach(), inputs.teacher_logits), top, strict=True)
    )
    inputs = replace(inputs, student_logits=student.requires_grad_(), teacher_logits=teacher)
    rule = make_rule("dynamic", margin=0.1)
    for tau in rule(inputs)[:2]:
        assert ((tau >= 0.8 - 1e-12) & (tau <= 7.2 + 1e-12)).all()

    distillation(rule, inputs).backward()
    assert student.grad is not None
    assert student.grad.isfinite().all()


def test_a_learned_temperature_without_strength_never_moves() -> None:
    rule = make_rule("learned", strength=0.0)
    assert isinstance(rule, Learned)
    optimizer = torch.optim.SGD(rule.parameters(), lr=1.0, momentum=0.9)
    for epoch in range(3):
        inputs = make_inputs(epoch=epoch)
        loss = distillation(rule, inputs)
        assert loss.item() == pytest.approx(distillation(None, inputs).item(), rel=1e-9)
        loss.backward()
        optimizer.step()
    assert rule.theta.item() == 1.0


def test_a_learned_temperature_climbs_and_the_student_descends() -> None:
    rule, inputs = make_rule("learned", curriculum_epochs=0), make_inputs()
    assert isinstance(rule, Learned)
    before = distillation(rule, inputs)
    before.backward()
    assert rule.theta.grad is not None
    with torch.no_grad():
        rule.theta -= 0.01 * rule.theta.grad
    assert distillation(rule, inputs).item() > before.item()


def test_one_temperature_for_all_classes_is_the_shared_rule() -> None:
    inputs = make_inputs()
    assert distillation(make_rule("per_class", others=1.0), inputs).item() == distillation(None, inputs).item()


def test_no_gap_and_no_progress_leave_the_schedule_of_the_source() -> None:
    inputs = make_inputs(tau=4.0)
    same = replace(inputs, teacher_logits=inputs.student_logits.detach())
    rule = make_rule("loss_gap", low=0.1, high=50.0)
    rule.observe(same)
    assert rule(same).tau_student.item() == pytest.approx(0.1 + 4 * 1.3 * 0.8, rel=1e-6)
    last = replace(same, epoch=10)
    assert rule(last).tau_student.item() == pytest.approx(0.1)  # cos(0.65π) < −0.3: below every `low`


@pytest.mark.parametrize("name", [name for name in RULES if name != "shared"])
@pytest.mark.parametrize("tau", [0.5, 4.0, 20.0])
@pytest.mark.parametrize("classes", [2, 10, 100])
def test_bf16_logits_give_finite_losses_and_gradients(name: str, tau: float, classes: int) -> None:
    inputs = make_inputs(classes, tau, scale=10.0)
    student = inputs.student_logits.detach().to(torch.bfloat16).requires_grad_()
    low = replace(
        inputs,
        student_logits=student,
        teacher_logits=inputs.teacher_logits.to(torch.bfloat16),
        tau_student=torch.tensor(tau),
        tau_teacher=torch.tensor(tau),
    )
    rule = RULES[name]()
    rule.setup(SETUP)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = distillation(rule, low)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    for tensor in (student, *rule.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()


@pytest.mark.parametrize("name", RULES)
def test_a_rule_does_not_read_the_device(name: str) -> None:
    rule = make_rule(name)
    for epoch in (0, 1):
        inputs = make_inputs(epoch=epoch)
        with Unread():
            distillation(rule, inputs).backward()


@pytest.mark.parametrize("name", RULES)
def test_equal_logits_within_a_sample_are_softened_too(name: str) -> None:
    inputs = make_inputs()
    flat = torch.full_like(inputs.student_logits, 2.5).detach().requires_grad_()
    loss = distillation(make_rule(name), replace(inputs, student_logits=flat))
    loss.backward()
    assert loss.isfinite()
    assert flat.grad is not None
    assert flat.grad.isfinite().all()


def random_rule(**settings: object) -> PerSampleRandom:
    rule = make_rule("per_sample_random", **settings)
    assert isinstance(rule, PerSampleRandom)
    return rule


def test_a_sample_s_draw_does_not_depend_on_its_batch() -> None:
    rule = random_rule()
    samples = torch.arange(50)
    shuffled = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    assert torch.equal(rule.draw(samples, 2)[shuffled], rule.draw(shuffled, 2))
    assert torch.equal(rule.draw(samples, 2), random_rule().draw(samples, 2))
    assert not torch.equal(rule.draw(samples, 2), rule.draw(samples, 3))

    other_seed = PerSampleRandom()
    other_seed.setup(RuleSetup(num_classes=10, epochs=10, seed=4))
    assert not torch.equal(rule.draw(samples, 2), other_seed.draw(samples, 2))


def test_whole_numbers_are_drawn_with_the_same_probability() -> None:
    taus = random_rule().draw(torch.arange(20_000), 0)
    values, counts = np.unique(taus.numpy(), return_counts=True)
    assert values.tolist() == list(range(2, 21))
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(
    ("distribution", "reference"), [("uniform", stats.uniform(1, 7)), ("log_uniform", stats.loguniform(1, 8))]
)
def test_draws_follow_the_strategy_s_range(distribution: str, reference: stats.rv_continuous) -> None:
    rule = PerSampleRandom()
    given = TauRange(1.0, 8.0, distribution)  # type: ignore[arg-type]
    rule.setup(RuleSetup(num_classes=10, epochs=10, seed=3, tau_range=given))
    assert stats.kstest(rule.draw(torch.arange(20_000), 0).numpy(), reference.cdf).pvalue > 1e-3

    narrower = PerSampleRandom(high=4.0)
    narrower.setup(RuleSetup(num_classes=10, epochs=10, seed=3, tau_range=given))
    assert 3.9 < narrower.draw(torch.arange(20_000), 0).max() <= 4.0


@pytest.mark.parametrize("name", RULES)
def test_a_rule_that_goes_on_from_its_state_equals_one_that_never_stopped(name: str) -> None:
    def steps(rule: Rule, epochs: range) -> Rule:
        optimizer = torch.optim.SGD(rule.parameters(), lr=0.5) if list(rule.parameters()) else None
        for epoch in epochs:
            distillation(rule, make_inputs(epoch=epoch, seed=epoch)).backward()
            if optimizer is not None:
                optimizer.step()
                optimizer.zero_grad()
        return rule

    whole, first = steps(make_rule(name), range(6)), steps(make_rule(name), range(3))
    second = make_rule(name)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    steps(second, range(3, 6))
    inputs = make_inputs(epoch=6)
    assert distillation(second, inputs).item() == distillation(whole, inputs).item()
    if isinstance(whole, LossGap | Learned):
        assert any(not torch.equal(value, first.state_dict()[key]) for key, value in whole.state_dict().items())
