import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from greenkd.errors import ConfigError
from greenkd.objectives import CRD, KD, CrossEntropy, LossInputs

from .batches import CLASSES, SAMPLES, TRAIN_LABELS, array, make_batch, make_setup


def ready(seed: int = 0, **settings: float) -> CRD:
    objective = CRD(**({"negatives": 8, "embedding_size": 4} | settings))  # type: ignore[arg-type]
    objective.setup(make_setup(seed))
    return objective.double()


def state(objective: CRD) -> dict[str, np.ndarray]:
    return {name: value.detach().clone().numpy() for name, value in objective.state_dict().items()}


def embedded(features: torch.Tensor, weights: dict[str, np.ndarray], network: str) -> np.ndarray:
    values = array(features) @ weights[f"{network}_projection.weight"].T + weights[f"{network}_projection.bias"]
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def contrast_by_rows(objective: CRD, before: dict[str, np.ndarray], batch: LossInputs) -> float:
    """The source's arithmetic, one image and one drawn row at a time."""
    assert batch.student_features is not None
    assert batch.teacher_features is not None
    embeddings = {
        "student": embedded(batch.student_features, before, "student"),
        "teacher": embedded(batch.teacher_features, before, "teacher"),
    }
    rows, negatives = objective.bank_row[batch.indices].tolist(), objective.negative_rows(batch).tolist()
    total = 0.0
    for anchor, other in (("student", "teacher"), ("teacher", "student")):
        bank = before[f"{other}_bank"]
        scores = np.array(
            [
                [
                    math.exp(embeddings[anchor][i] @ bank[row] / objective.nce_temperature)
                    for row in (rows[i], *negatives[i])
                ]
                for i in range(len(rows))
            ]
        )
        z = scores.mean() * SAMPLES
        scores /= z
        noise = len(negatives[0]) / SAMPLES
        total -= np.log(scores[:, 0] / (scores[:, 0] + noise)).sum()
        total -= np.log(noise / (scores[:, 1:] + noise)).sum()
    return total / len(rows)


def test_first_step_equals_the_source_s_arithmetic() -> None:
    objective, batch = ready(ce_weight=0.5, kl_weight=2.0, crd_weight=0.8), make_batch()
    before = state(objective)
    expected = (
        0.5 * CrossEntropy()(batch).item()
        + 2.0 * KD(alpha=1.0)(batch).item()
        + 0.8 * contrast_by_rows(objective, before, batch)
    )
    assert objective(batch).item() == pytest.approx(expected, rel=1e-6)


def test_normalisation_is_set_by_the_first_batch_and_kept() -> None:
    objective = ready()
    assert not objective.normalised
    objective(make_batch(1))
    first = state(objective)
    assert first["normalised"]
    assert first["student_log_z"] != 0
    objective(make_batch(2))
    objective(make_batch(3, epoch=1))
    assert state(objective)["student_log_z"] == first["student_log_z"]
    assert state(objective)["teacher_log_z"] == first["teacher_log_z"]


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_banks_move_by_momentum_and_only_where_the_batch_is(momentum: float) -> None:
    objective, batch = ready(momentum=momentum), make_batch()
    before = state(objective)
    objective(batch)
    after = state(objective)
    rows = objective.bank_row[batch.indices].numpy()
    for network, features in (("student", batch.student_features), ("teacher", batch.teacher_features)):
        assert features is not None
        bank, new = before[f"{network}_bank"], after[f"{network}_bank"]
        moved = momentum * bank[rows] + (1 - momentum) * embedded(features, before, network)
        assert np.allclose(new[rows], moved / np.linalg.norm(moved, axis=1, keepdims=True), atol=1e-12)
        untouched = np.setdiff1d(np.arange(SAMPLES), rows)
        assert np.array_equal(new[untouched], bank[untouched])


def test_gradient_is_of_the_banks_before_the_step() -> None:
    objective, batch = ready(ce_weight=0.0, kl_weight=0.0, crd_weight=1.0), make_batch()
    before = state(objective)
    objective(batch).backward()
    assert batch.student_features is not None
    assert batch.student_features.grad is not None
    start = before | {name: state(objective)[name] for name in ("student_log_z", "teacher_log_z", "normalised")}
    step = 1e-6
    for position in ((0, 0), (3, 5)):
        values = []
        for sign in (1, -1):
            features = batch.student_features.detach().clone()
            features[position] += sign * step
            objective.load_state_dict({name: torch.from_numpy(value) for name, value in start.items()})
            values.append(objective(replace(batch, student_features=features)).item())
        slope = (values[0] - values[1]) / (2 * step)
        assert batch.student_features.grad[position].item() == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_negatives_are_of_other_classes_and_all_of_them_occur() -> None:
    objective = ready(negatives=32)
    sample_of_row = torch.empty_like(objective.bank_row)
    sample_of_row[objective.bank_row] = torch.arange(SAMPLES)
    met: dict[int, set[int]] = {label: set() for label in range(CLASSES)}
    for epoch in range(20):
        batch = make_batch(epoch, size=SAMPLES, epoch=epoch)
        samples = sample_of_row[objective.negative_rows(batch)]
        for label, row in zip(batch.labels.tolist(), samples, strict=True):
            met[label].update(row.tolist())
    for label, samples_met in met.items():
        assert samples_met == set(torch.nonzero(label != TRAIN_LABELS).flatten().tolist())


def test_negatives_are_a_function_of_seed_epoch_and_sample() -> None:
    one, same, other = ready(seed=3), ready(seed=3), ready(seed=4)
    batch = make_batch(epoch=2)
    one(make_batch(9))
    assert torch.equal(one.negative_rows(batch), same.negative_rows(batch))
    assert not torch.equal(one.negative_rows(batch), other.negative_rows(batch))
    assert not torch.equal(one.negative_rows(batch), one.negative_rows(replace(batch, epoch=3)))


def test_negatives_are_cut_to_what_the_largest_class_leaves() -> None:
    labels = torch.tensor([0] * 10 + [1] * 3 + [2] * 4)
    objective = CRD()
    objective.setup(replace(make_setup(), num_classes=3, train_labels=labels))
    assert objective.negative_count == 7


def test_a_single_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="two classes"):
        CRD().setup(replace(make_setup(), train_labels=torch.zeros(9, dtype=torch.int64)))


def test_initial_parts_are_a_function_of_the_seed_and_leave_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = state(ready(seed=1))
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(6)
    same, other = state(ready(seed=1)), state(ready(seed=2))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["student_bank"], other["student_bank"])
    assert not np.array_equal(one["student_projection.weight"], other["student_projection.weight"])


def test_distillation_temperature_acts_on_the_divergence_alone() -> None:
    cold, hot = make_batch(tau=1.0), make_batch(tau=20.0)
    assert ready(kl_weight=0.0)(cold).item() == ready(kl_weight=0.0)(hot).item()
    assert not ready(kl_weight=0.0).uses_temperature
    difference = ready()(hot).item() - ready()(cold).item()
    expected = KD(alpha=1.0)(hot).item() - KD(alpha=1.0)(cold).item()
    assert difference == pytest.approx(expected, rel=1e-6)


def test_contrast_falls_as_the_student_learns_the_teacher_s_features() -> None:
    objective = ready(ce_weight=0.0, kl_weight=0.0, crd_weight=1.0)
    batch = make_batch(size=SAMPLES)
    assert batch.student_features is not None
    optimiser = torch.optim.SGD([*objective.parameters(), batch.student_features], lr=0.3)
    losses = []
    for epoch in range(60):
        optimiser.zero_grad()
        loss = objective(replace(batch, epoch=epoch))
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
