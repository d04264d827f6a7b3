"""What objectives state of their own FLOPs, against PyTorch's counter on a step, and by hand for CRD."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from greenkd.objectives import CRD, NO_MATRIX_PRODUCTS, Objective, Setup

from .batches import EVERY, make, make_batch

SIZE = 6
# DML's peer in the batches' setup: a linear layer of 9 × 5, whose images take no gradient.
PEER = {"dml": (2 * 9 * 5, 4 * 9 * 5)}


@pytest.mark.parametrize("name", EVERY)
def test_statement_is_what_a_step_counts(name: str) -> None:
    objective, batch = make(name), make_batch(size=SIZE, dtype=torch.float32)
    with FlopCounterMode(display=False) as counter:
        loss = objective(batch)
        forward = counter.get_total_flops()
        loss.backward()
        training = counter.get_total_flops()

    stated = objective.flops()
    assert stated is not None
    peer_forward, peer_training = PEER.get(name, (0, 0))
    assert (stated.forward + peer_forward, stated.training + peer_training) == (forward / SIZE, training / SIZE)
    assert (stated == NO_MATRIX_PRODUCTS) == (name != "crd")


def test_contrast_of_cifar_costs_more_than_the_step_of_a_half_mobilenet() -> None:
    objective = CRD()
    with torch.device("meta"):
        objective.student_projection = torch.nn.Linear(1280, 128)
        objective.teacher_projection = torch.nn.Linear(2048, 128)
    objective.bank_row = torch.arange(45_000)
    stated = objective.flops()

    scores = 2 * 2 * 45_000 * 128  # forward, two anchors
    assert scores == 23_040_000
    assert stated.forward == scores + 2 * (1280 + 2048) * 128
    assert stated.training == 2 * scores + 2 * (3 * 1280 + 2 * 2048) * 128 == 48_111_616


def test_nobodys_statement_is_unknown_not_zero() -> None:
    class Mine(Objective):
        def forward(self, batch: object) -> torch.Tensor:
            return torch.zeros(())

    objective = Mine()
    objective.setup(Setup(2, torch.zeros(2), None, None, lambda: torch.nn.Linear(1, 1), 0))
    assert objective.flops() is None
