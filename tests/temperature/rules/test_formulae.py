"""Each rule's loss against its published formula in NumPy, and its gradient against finite differences of that."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from greenkd.streams import stream_seed
from greenkd.temperature.rules import Learned, RuleInputs

from .batches import EPOCHS, SAMPLES, SETUP, distillation, kl_by_hand, log_softmax, make_inputs, make_rule

EPOCH = 3
ByHand = Callable[[np.ndarray, np.ndarray, RuleInputs, float], float]


def shared(z: np.ndarray, t: np.ndarray, inputs: RuleInputs, tau: float) -> float:
    return kl_by_hand(z / tau, t / tau, tau**2)


def spread(logits: np.ndarray) -> np.ndarray:
    deviation: np.ndarray = logits.std(1, ddof=1, keepdims=True)
    return deviation + 1e-7  # the source's


def standardised(z: np.ndarray, t: np.ndarray, inputs: RuleInputs, tau: float) -> float:
    """LSKD's own way: z-scores, softened by the base τ."""
    z_scores, t_scores = ((x - x.mean(1, keepdims=True)) / spread(x) for x in (z, t))
    return kl_by_hand(z_scores / tau, t_scores / tau, tau**2)


def normkd(z: np.ndarray, t: np.ndarray, inputs: RuleInputs, tau: float) -> float:
    tau_s, tau_t = tau * spread(z), tau * spread(t)
    return kl_by_hand(z / tau_s, t / tau_t, tau_t**2)


def dynamic(z: np.ndarray, t: np.ndarray, inputs: RuleInputs, tau: float) -> float:
    total, parts = 0.0, list(zip(z, t, strict=True))
    for student, teacher in parts:
        top_s, top_t = max(student.max(), 1e-6), max(teacher.max(), 1e-6)
        share = min(max(top_s / (top_s + top_t), 0.05), 0.95)
        tau_s, tau_t = 2 * tau * share, 2 * tau * (1 - share)
        total += kl_by_hand(student[None] / tau_s, teacher[None] / tau_t, tau_s * tau_t)
    return total / len(parts)


def learned(z: np.ndarray, t: np.ndarray, inputs: RuleInputs, tau: float, theta: float = 1.0) -> float:
    place = min(max((tau - 1) / 20, 1e-3), 1 - 1e-3)
    learned_tau = 1 + 20 / (1 + math.exp(-(theta - 1)) * (1 - place) / place)
    return kl_by_hand(z / learned_tau, t / learned_tau, learned_tau**2)


def per_class(z: np.ndarray, t: np.ndarray, inputs: RuleInputs, tau: float) -> float:
    softened = t / (0.5 * tau)
    for row, label in enumerate(inputs.labels.tolist()):
        softened[row, label] = t[row, label] / tau
    return kl_by_hand(z / tau, softened, tau**2)


def drawn(index: int, low: int, high: int) -> int:
    """The draw of one sample, in Python's exact integers."""

    def mixed(word: int) -> int:
        word = ((word ^ (word >> 16)) * 0x21F0AAAD) & 0xFFFFFFFF
        word = ((word ^ (word >> 15)) * 0x735A2D97) & 0xFFFFFFFF
        return word ^ (word >> 15)

    key = stream_seed(SETUP.seed, "temperature", EPOCH)
    word = mixed(mixed(index ^ (key & 0xFFFFFFFF)) ^ (key >> 32))
    return low + word * (high - low + 1) // 2**32


def per_sample_random(z: np.ndarray, t: np.ndarray, inputs: RuleInputs, tau: float) -> float:
    taus = np.array([[float(drawn(index, 2, 20))] for index in inputs.indices.tolist()])
    return kl_by_hand(z / taus, t / taus, taus**2)


def loss_gap(z: np.ndarray, t: np.ndarray, inputs: RuleInputs, tau: float) -> float:
    rows = np.arange(SAMPLES), inputs.labels.numpy()
    # No gradient flows into the gap: it is that of the logits as they stand.
    fixed = inputs.student_logits.detach().numpy()
    gap = abs(log_softmax(fixed)[rows].mean() - log_softmax(t)[rows].mean())
    progress = EPOCH / EPOCHS
    decay = math.exp(-0.3 * progress)
    wanted = 0.1 + tau * (0.3 + math.cos(0.65 * math.pi * progress)) * (0.8 + math.log(1 + gap)) * decay
    used = max(1.0, min(8.0 * decay, wanted))
    return kl_by_hand(z / used, t / used, used**2)


FORMULAE: dict[str, tuple[str, dict[str, object], ByHand]] = {
    "shared": ("shared", {}, shared),
    "standardised": ("standardised", {}, standardised),
    "normkd": ("standardised", {"factor": "teacher"}, normkd),
    "dynamic": ("dynamic", {}, dynamic),
    "learned": ("learned", {}, learned),
    "per_class": ("per_class", {}, per_class),
    "per_sample_random": ("per_sample_random", {}, per_sample_random),
    "loss_gap": ("loss_gap", {}, loss_gap),
}


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize("tau", [0.5, 4.0, 20.0])
@pytest.mark.parametrize("name", FORMULAE)
def test_loss_and_gradient_are_those_of_the_formula(name: str, tau: float, classes: int) -> None:
    rule_name, settings, by_hand = FORMULAE[name]
    inputs = make_inputs(classes, tau, epoch=EPOCH)
    loss = distillation(make_rule(rule_name, **settings), inputs)
    loss.backward()

    z, t = inputs.student_logits.detach().numpy().copy(), inputs.teacher_logits.numpy()
    assert loss.item() == pytest.approx(by_hand(z, t, inputs, tau), rel=1e-6, abs=1e-12)

    assert inputs.student_logits.grad is not None
    step = 1e-5
    rounding = 1e-8 + 5e-10 * tau**2  # of a difference of two losses, divided by the step
    for place in [(row, column) for row in range(SAMPLES) for column in (0, classes // 2, classes - 1)]:
        slope = 0.0
        for sign in (1, -1):
            moved = z.copy()
            moved[place] += sign * step
            slope += sign * by_hand(moved, t, inputs, tau) / (2 * step)
        assert inputs.student_logits.grad[place].item() == pytest.approx(slope, rel=1e-5, abs=rounding)


@pytest.mark.parametrize("epoch", [0, 4, 9, 30])
@pytest.mark.parametrize("tau", [0.5, 4.0, 20.0])
def test_theta_climbs_the_loss_with_the_curriculum_s_weight(tau: float, epoch: int) -> None:
    rule, inputs = make_rule("learned"), make_inputs(10, tau, epoch=epoch)
    distillation(rule, inputs).backward()

    z, t = inputs.student_logits.detach().numpy(), inputs.teacher_logits.numpy()
    step = 1e-5
    slope = (learned(z, t, inputs, tau, 1 + step) - learned(z, t, inputs, tau, 1 - step)) / (2 * step)
    weight = (1 - math.cos(math.pi * min(epoch + 1, 10) / 10)) / 2
    assert isinstance(rule, Learned)
    assert rule.theta.grad is not None
    assert rule.theta.grad.item() == pytest.approx(-weight * slope, rel=1e-5, abs=1e-10)


def test_the_source_s_curriculum_begins_at_its_temperature() -> None:
    rule = make_rule("learned")
    inputs = make_inputs(10, 1 + 20 / (1 + math.exp(-1)))
    for theta in (1.0, -0.7, 2.5):
        assert isinstance(rule, Learned)
        rule.theta.data.fill_(theta)
        assert rule(inputs).tau_student.item() == pytest.approx(1 + 20 / (1 + math.exp(-theta)), rel=1e-9)


def test_the_gap_is_a_running_mean_that_the_first_batch_sets() -> None:
    rule = make_rule("loss_gap", momentum=0.75)
    gaps = []
    for seed in range(3):
        inputs = make_inputs(seed=seed)
        rule.observe(inputs)
        rows = np.arange(SAMPLES), inputs.labels.numpy()
        student, teacher = inputs.student_logits.detach().numpy(), inputs.teacher_logits.numpy()
        gaps.append(abs(log_softmax(student)[rows].mean() - log_softmax(teacher)[rows].mean()))
    expected = 0.75 * (0.75 * gaps[0] + 0.25 * gaps[1]) + 0.25 * gaps[2]
    assert rule.get_buffer("gap").item() == pytest.approx(expected, rel=1e-9)
    assert not rule.get_buffer("gap").requires_grad
