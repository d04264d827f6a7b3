"""Objectives under a rule: each sample by its own temperatures and factor, and what is kept of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from greenkd.objectives import CRD, DKD, DML, KD, LossInputs, Objective, TfKDSelf
from greenkd.softening import RuleInputs, Softening

from .batches import CLASSES, EVERY, array, ce_mean, make, make_batch, make_setup, probabilities

TAKES_RULES = ("crd", "dkd", "dkd_taus", "dml", "kd", "kd_element_mean", "kd_taus", "tfkd_self")


class ByRow(nn.Module):
    """A rule with other temperatures and another factor for every sample, which counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.observed: list[RuleInputs] = []
        self.asked: list[RuleInputs] = []

    def observe(self, inputs: RuleInputs) -> None:
        self.observed.append(inputs)

    def forward(self, inputs: RuleInputs) -> Softening:
        self.asked.append(inputs)
        rows = torch.arange(1.0, len(inputs.labels) + 1, dtype=torch.float64)[:, None]
        return Softening(inputs.tau_student * rows, inputs.tau_teacher * (rows + 1), 3 * rows)


class PerClass(ByRow):
    """A teacher softened class by class, the student shared."""

    def forward(self, inputs: RuleInputs) -> Softening:
        columns = torch.arange(1.0, CLASSES + 1, dtype=torch.float64).expand(len(inputs.labels), -1)
        return Softening(inputs.tau_student, inputs.tau_teacher * columns, inputs.tau_student**2)


def ruled(objective: Objective, rule: nn.Module) -> Objective:
    objective.setup(make_setup())
    objective.rule = rule
    return objective.double()


def weighted_kl(student: np.ndarray, teacher: np.ndarray, tau: float = 4.0) -> float:
    """Mean of factor·KL under ByRow, one sample after the other."""
    total = 0.0
    for row in range(len(student)):
        p = probabilities(teacher[row : row + 1], tau * (row + 2))
        q = probabilities(student[row : row + 1], tau * (row + 1))
        total += 3 * (row + 1) * float((p * np.log(p / q)).sum())
    return total / len(student)


def logits(batch: LossInputs) -> tuple[np.ndarray, np.ndarray]:
    assert batch.teacher_logits is not None
    return array(batch.student_logits), array(batch.teacher_logits)


def test_kd_multiplies_each_sample_with_its_own_factor() -> None:
    batch = make_batch()
    student, teacher = logits(batch)
    hard, soft = ce_mean(student, batch.labels), weighted_kl(student, teacher)
    assert ruled(KD(alpha=0.3), ByRow())(batch).item() == pytest.approx(0.7 * hard + 0.3 * soft, rel=1e-6)

    mean = ruled(KD(alpha=0.3, reduction="element_mean"), ByRow())(batch).item()
    assert mean == pytest.approx(0.7 * hard + 0.3 * soft / CLASSES, rel=1e-6)


def test_without_the_factor_the_temperatures_alone_act() -> None:
    batch = make_batch()
    student, teacher = logits(batch)
    rows = np.arange(1, len(student) + 1)[:, None]
    p, q = probabilities(teacher, 4.0 * (rows + 1)), probabilities(student, 4.0 * rows)
    expected = (p * np.log(p / q)).sum() / len(student)
    assert ruled(KD(alpha=1.0, tau_squared=False), ByRow())(batch).item() == pytest.approx(expected, rel=1e-6)


def test_the_other_divergences_are_multiplied_likewise() -> None:
    batch = make_batch()
    student, teacher = logits(batch)
    hard, soft = ce_mean(student, batch.labels), weighted_kl(student, teacher)
    tfkd = ruled(TfKDSelf(alpha=0.5, multiplier=4.0), ByRow())(batch).item()
    assert tfkd == pytest.approx(0.5 * hard + 0.5 * 4 * soft / CLASSES, rel=1e-6)

    objective = ruled(CRD(crd_weight=0.0, kl_weight=2.0, negatives=8, embedding_size=4), ByRow())
    assert objective(batch).item() == pytest.approx(hard + 2 * soft, rel=1e-6)


def decoupled_by_hand(student: np.ndarray, teacher: np.ndarray, label: int) -> tuple[float, float]:
    """TCKD and NCKD of one sample, from softened logits [K]."""
    p, q = probabilities(teacher[None])[0], probabilities(student[None])[0]
    others = np.arange(CLASSES) != label
    target = p[label] * np.log(p[label] / q[label]) + (1 - p[label]) * np.log((1 - p[label]) / (1 - q[label]))
    p_others, q_others = p[others] / (1 - p[label]), q[others] / (1 - q[label])
    return float(target), float((p_others * np.log(p_others / q_others)).sum())


@pytest.mark.parametrize("rule", [ByRow, PerClass])
def test_dkd_weighs_each_sample_s_parts(rule: type[ByRow]) -> None:
    batch = make_batch()
    student, teacher = logits(batch)
    loss = ruled(DKD(alpha=1.5, beta=2.0, warmup_epochs=0), rule())(batch).item()

    total = 0.0
    for row, label in enumerate(batch.labels.tolist()):
        if rule is ByRow:
            softened = student[row] / (4.0 * (row + 1)), teacher[row] / (4.0 * (row + 2))
            factor = 3.0 * (row + 1)
        else:
            softened, factor = (student[row] / 4.0, teacher[row] / (4.0 * np.arange(1, CLASSES + 1))), 16.0
        target, non_target = decoupled_by_hand(*softened, label)
        total += factor * (1.5 * target + 2.0 * non_target)
    assert loss == pytest.approx(ce_mean(student, batch.labels) + total / len(student), rel=1e-6)


def test_dml_softens_each_network_with_the_other_as_its_teacher() -> None:
    batch, rule = replace(make_batch(), teacher_logits=None), ByRow()
    objective = ruled(DML(), rule)
    loss = objective(batch).item()
    assert isinstance(objective, DML)
    student, peer = array(batch.student_logits), array(objective.peer(batch.images))
    expected = ce_mean(student, batch.labels) + ce_mean(peer, batch.labels)
    expected += weighted_kl(student, peer) + weighted_kl(peer, student)
    assert loss == pytest.approx(expected, rel=1e-6)

    assert len(rule.observed) == 1
    assert [np.array_equal(array(inputs.student_logits), student) for inputs in rule.asked] == [True, False]
    assert [np.array_equal(array(inputs.teacher_logits), peer) for inputs in rule.asked] == [True, False]


@pytest.mark.parametrize("objective", [KD(alpha=1.0, taus=(2.0, 3.0, 6.0)), DKD(taus=(2.0, 3.0, 6.0), warmup_epochs=0)])
def test_several_temperatures_are_added_up(objective: Objective) -> None:
    batch = make_batch(tau=9.0)
    single = KD(alpha=1.0) if isinstance(objective, KD) else DKD(warmup_epochs=0)
    hard = 0.0 if isinstance(objective, KD) else ce_mean(array(batch.student_logits), batch.labels)
    terms = [single(make_batch(tau=tau)).item() - hard for tau in (2.0, 3.0, 6.0)]
    assert objective(batch).item() == pytest.approx(hard + sum(terms), rel=1e-6)
    assert not objective.uses_temperature


def test_a_rule_acts_on_each_of_several_temperatures_and_observes_once() -> None:
    rule, batch = ByRow(), make_batch()
    student, teacher = logits(batch)
    loss = ruled(KD(alpha=1.0, taus=(2.0, 5.0)), rule)(batch).item()
    assert loss == pytest.approx(weighted_kl(student, teacher, 2.0) + weighted_kl(student, teacher, 5.0), rel=1e-6)
    assert len(rule.observed) == 1
    assert [inputs.tau_student.item() for inputs in rule.asked] == [2.0, 5.0]


@pytest.mark.parametrize("name", EVERY)
def test_an_objective_takes_rules_or_says_why_not(name: str) -> None:
    objective = make(name)
    assert (objective.refuses_rules is None) == (name in TAKES_RULES)
    if objective.refuses_rules is not None:
        assert len(objective.refuses_rules) > 20
    assert make("crd").refuses_rules is None
    assert CRD(kl_weight=0.0).refuses_rules == make("none").refuses_rules


@pytest.mark.parametrize("name", TAKES_RULES)
def test_what_the_student_was_softened_by_is_kept(name: str) -> None:
    objective, batch = make(name), make_batch()
    objective.double()(batch)
    assert objective.student_taus is None

    objective.rule = ByRow()
    objective(batch)
    taus: Tensor | None = objective.student_taus
    bases = objective.taus or (4.0,)
    assert taus is not None
    assert taus.tolist() == pytest.approx([tau * row for tau in bases for row in range(1, 7)])
    assert not taus.requires_grad


@pytest.mark.parametrize("name", TAKES_RULES)
def test_a_rule_s_parameters_and_buffers_are_the_objective_s(name: str) -> None:
    rule = ByRow()
    rule.theta = nn.Parameter(torch.ones(()))
    rule.register_buffer("memory", torch.zeros(2))
    objective = make(name)
    plain = set(objective.state_dict())
    objective.rule = rule
    assert set(objective.state_dict()) - plain == {"rule.theta", "rule.memory"}
    assert any(parameter is rule.theta for parameter in objective.parameters())
