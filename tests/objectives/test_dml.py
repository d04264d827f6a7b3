from dataclasses import replace

import pytest
import torch

from greenkd.objectives import DML

from .batches import array, ce_mean, kl_sum, make_batch, make_setup, probabilities


def ready(**settings: float) -> DML:
    objective = DML(**settings)  # type: ignore[arg-type]
    objective.setup(make_setup())
    return objective.double()


def test_loss_sums_both_networks() -> None:
    batch = make_batch(tau_student=torch.tensor(2.0), tau_teacher=torch.tensor(3.0))
    objective = ready(kl_weight=0.5)
    loss = objective(batch).item()
    student, peer = array(batch.student_logits), array(objective.peer(batch.images))
    expected = ce_mean(student, batch.labels) + ce_mean(peer, batch.labels)
    expected += 0.5 * 6 * kl_sum(probabilities(peer, 3.0), probabilities(student, 2.0)) / len(student)
    expected += 0.5 * 6 * kl_sum(probabilities(student, 3.0), probabilities(peer, 2.0)) / len(student)
    assert loss == pytest.approx(expected, rel=1e-6)
    assert torch.equal(objective.peer_logits, objective.peer(batch.images).detach())


def test_each_network_learns_from_its_own_loss_only() -> None:
    # Were the targets not detached, the other network's divergence would leak into these gradients.
    batch = make_batch(tau=2.0)
    objective = ready()
    objective(batch).backward()
    logits = batch.student_logits.detach().clone().requires_grad_()
    peer_logits = objective.peer(batch.images).detach().requires_grad_()
    for learner, target in ((logits, peer_logits), (peer_logits, logits)):
        soft = torch.softmax(target.detach() / 2, dim=1)
        loss = torch.nn.functional.cross_entropy(learner, batch.labels)
        (loss + 4 * torch.nn.functional.cross_entropy(learner / 2, soft)).backward()
    assert torch.allclose(batch.student_logits.grad, logits.grad, rtol=1e-6)
    weight = next(objective.peer.parameters())
    assert torch.allclose(weight.grad, peer_logits.grad.T @ batch.images.flatten(1), rtol=1e-6)


def test_the_peer_belongs_to_the_objective_s_parameters() -> None:
    objective = ready()
    assert {name for name, _ in objective.named_parameters()} == {"peer.1.weight", "peer.1.bias"}


def test_equal_networks_have_no_divergence() -> None:
    objective = ready(kl_weight=1.0)
    batch = make_batch()
    batch = replace(batch, student_logits=objective.peer(batch.images).detach())
    assert objective(batch).item() == pytest.approx(2 * ce_mean(array(batch.student_logits), batch.labels), rel=1e-12)
