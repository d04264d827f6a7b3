"""Losses of detection against sums worked out anchor by anchor in float64, and against torchvision's MultiBox loss."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.models.detection import ssd as torchvision_ssd
from torchvision.models.detection._utils import BoxCoder

from greenkd.objectives import SSD, SSDDML, SSDKD, Objective, SSDReg, SSDSelf
from greenkd.objectives.multibox import choose_anchors
from greenkd.objectives.teacher_anchors import at_anchors, keep_anchors, kept_outputs, kept_shape
from greenkd.temperature.rules import PerSampleRandom, RuleSetup, Standardised
from tests.objectives.anchor_batches import (
    ANCHORS,
    CLASSES,
    IMAGES,
    OUTPUTS,
    Expected,
    make_anchor_batch,
    set_up,
    softmax,
)
from tests.objectives.batches import array
from tests.objectives.test_every_objective import Unread

EVERY: dict[str, Callable[[], Objective]] = {
    "ssd": SSD,
    "ssd_kd": SSDKD,
    "ssd_kd_kl": lambda: SSDKD(soft="kl"),
    "ssd_kd_sigmoid": lambda: SSDKD(soft="sigmoid"),
    "ssd_self": SSDSelf,
    "ssd_dml": SSDDML,
    "ssd_reg": SSDReg,
}
every = pytest.mark.parametrize("name", EVERY)


def test_multibox_is_the_sum_over_the_anchors_that_count() -> None:
    batch = make_anchor_batch()
    expected = Expected(array(batch.student_logits), batch)
    loss = SSD(localisation_weight=0.7)(batch)
    assert loss.item() == pytest.approx((expected.hard() + 0.7 * expected.regression()) / 3, rel=1e-12)


def test_multibox_is_torchvisions() -> None:
    batch = make_anchor_batch()
    anchors = torch.rand(ANCHORS, 4, dtype=torch.float64).sort(dim=1).values + torch.tensor([0, 0, 1, 1])
    labels = batch.labels

    # Each anchor with a box is matched with a box of its own, which is where its offsets lead.
    theirs = torchvision_ssd.SSD.__new__(torchvision_ssd.SSD)
    torch.nn.Module.__init__(theirs)
    theirs.box_coder, theirs.neg_to_pos_ratio = BoxCoder((10.0, 10.0, 5.0, 5.0)), 3.0
    targets, matched = [], []
    for image in range(IMAGES):
        places = labels[image].nonzero().squeeze(1)
        assert batch.offsets is not None
        boxes = theirs.box_coder.decode_single(batch.offsets[image, places], anchors[places])
        targets.append({"boxes": boxes, "labels": labels[image, places]})
        index = torch.full((ANCHORS,), -1)
        index[places] = torch.arange(len(places))
        matched.append(index)
    heads = {"cls_logits": batch.student_logits[..., :CLASSES], "bbox_regression": batch.student_logits[..., CLASSES:]}
    losses = theirs.compute_loss(targets, heads, [anchors] * IMAGES, matched)

    assert SSD()(batch).item() == pytest.approx(sum(losses.values()).item(), rel=1e-10)


def test_hard_negatives_are_the_background_least_seen_as_such() -> None:
    entropies = torch.tensor([[0.1, 0.5, 0.3, 9.0, 0.4], [5.0, 4.0, 3.0, 2.0, 1.0]])
    labels = torch.tensor([[0, 0, 0, 2, 0], [0, 0, 0, 0, 0]])
    chosen = choose_anchors(entropies, labels, negatives=2.0)
    assert chosen.chosen.tolist() == [[False, True, False, True, True], [False] * 5]
    assert chosen.number.item() == 1
    assert choose_anchors(entropies[1:], labels[1:], 2.0).number.item() == 1, "no box: nothing is divided by 0"


@pytest.mark.parametrize("tau_squared", [True, False])
@pytest.mark.parametrize("soft", ["weighted_ce", "kl", "sigmoid"])
def test_distillation_is_chens_loss(soft: str, tau_squared: bool) -> None:
    batch = make_anchor_batch()
    outputs, teacher = array(batch.student_logits), array(batch.teacher_logits)  # type: ignore[arg-type]
    expected = Expected(outputs, batch)

    tau, term = 4.0, 0.0
    for place in expected.chosen:
        z, t = expected.logits[place], teacher[place][:CLASSES]
        p, q = softmax(z, tau), softmax(t, tau)
        if soft == "weighted_ce":
            term += float(-(np.array([1.5, 1, 1, 1]) * q * np.log(p)).sum())
        elif soft == "kl":
            term += float((q * np.log(q / p)).sum())
        else:
            s, u = 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(-t))
            term += float((np.abs(u - s) * -(u * np.log(s) + (1 - u) * np.log(1 - s))).sum())
    if tau_squared and soft != "sigmoid":
        term *= tau**2

    distances = zip(expected.squared(expected.offsets), expected.squared(teacher[..., CLASSES:]), strict=True)
    bound = sum(0.5 * own for own, theirs in distances if own + 0.1 > theirs)
    hint = float(((expected.logits - teacher[..., :CLASSES]) ** 2).mean())
    whole = (0.4 * expected.hard() + 0.6 * term + 2 * (expected.regression() + bound)) / 3 + 0.5 * hint

    objective = SSDKD(alpha=0.6, soft=soft, tau_squared=tau_squared, localisation_weight=2, bound_margin=0.1)  # type: ignore[arg-type]
    assert objective(batch).item() == pytest.approx(whole, rel=1e-12)
    assert objective.uses_temperature == (soft != "sigmoid")


@pytest.mark.parametrize("count", [1, 5, 100])
def test_what_is_kept_of_the_teacher_is_boxes_and_the_background_that_it_finds_hard(count: int) -> None:
    batch = make_anchor_batch()
    teacher = array(batch.teacher_logits)  # type: ignore[arg-type]
    ours, theirs = Expected(array(batch.student_logits), batch), Expected(teacher, batch)

    term = bound = 0.0
    for image in range(IMAGES):
        counted = [anchor for b, anchor in theirs.chosen if b == image]
        counted.sort(key=lambda a, b=image: (theirs.labels[b, a] == 0, -theirs.entropy(b, a)))
        for place in [(image, anchor) for anchor in counted[:count]]:
            p, q = softmax(ours.logits[place], 4), softmax(theirs.logits[place], 4)
            term += 16 * float((q * np.log(q / p)).sum())
            if theirs.labels[place]:
                own, allowed = (((one.offsets[place] - one.targets[place]) ** 2).sum() for one in (ours, theirs))
                bound += 0.5 * own if own > allowed else 0.0
    whole = (0.5 * ours.hard() + 0.5 * term + ours.regression() + bound) / 3

    assert batch.teacher_logits is not None
    kept = keep_anchors(batch.teacher_logits, batch.labels, count)
    assert kept.shape[1:] == kept_shape(batch.teacher_logits.shape[1:], count)
    loss = SSDKD(soft="kl", hint_weight=0.0, teacher_anchors=count)(replace(batch, teacher_logits=kept))
    assert loss.item() == pytest.approx(whole, rel=1e-12)


def test_half_precision_keeps_which_anchors_were_kept() -> None:
    labels = torch.zeros(2, 8732, dtype=torch.int64)
    outputs = torch.randn(2, 8732, OUTPUTS, generator=torch.Generator().manual_seed(0))
    kept = kept_outputs(keep_anchors(outputs, labels, 8732).half())
    assert all(torch.equal(row.sort().values, torch.arange(8732)) for row in kept.numbers)
    assert torch.equal(kept.outputs, at_anchors(outputs, kept.numbers).half())


def test_a_box_nearer_than_the_teachers_is_not_pulled() -> None:
    batch = make_anchor_batch()
    assert batch.offsets is not None
    outputs = batch.student_logits.detach().clone()
    outputs[..., CLASSES:] = batch.offsets
    near = replace(batch, student_logits=outputs.requires_grad_())
    pulled, free = (SSDKD(bound_weight=weight)(near).item() for weight in (0.5, 0.0))
    assert pulled == free
    assert SSDKD(bound_weight=0.5)(batch) > SSDKD(bound_weight=0.0)(batch)


def test_mutual_learning_is_both_losses_and_both_divergences() -> None:
    batch = make_anchor_batch(tau=2.0)
    objective = set_up(SSDDML(kl_weight=0.3)).double()
    assert isinstance(objective, SSDDML)
    peer = array(objective.peer(batch.images))
    outputs = array(batch.student_logits)

    total = 0.0
    for own, other in ((outputs, peer), (peer, outputs)):
        expected = Expected(own, batch)
        divergence = 4 * expected.divergence(other[..., :CLASSES], 2.0)
        total += (expected.hard() + expected.regression() + 0.3 * divergence) / 3
    assert objective(batch).item() == pytest.approx(total, rel=1e-12)


def test_the_virtual_teacher_is_that_of_classification_on_every_anchor_that_counts() -> None:
    batch = make_anchor_batch(tau=20.0)
    expected = Expected(array(batch.student_logits), batch)
    total = expected.regression() + 0.9 * expected.hard()
    for place in expected.chosen:
        virtual = np.full(CLASSES, 0.01 / (CLASSES - 1))
        virtual[expected.labels[place]] = 0.99
        v, p = softmax(virtual, 20.0), softmax(expected.logits[place])
        total += 0.1 * float((v * np.log(v / p)).sum())
    assert set_up(SSDReg())(batch).item() == pytest.approx(total / 3, rel=1e-12)


@every
@pytest.mark.parametrize("tau", [0.5, 100.0])
def test_gradients_are_finite_in_bf16(name: str, tau: float) -> None:
    objective = set_up(EVERY[name]())
    batch = make_anchor_batch(dtype=torch.bfloat16, tau=tau)
    batch = replace(batch, images=batch.images.float())
    loss = objective(batch)
    loss.backward()
    assert loss.dtype == torch.float32
    assert batch.student_logits.grad is not None
    assert torch.isfinite(batch.student_logits.grad).all()
    assert batch.student_logits.grad.abs().max() > 0


@pytest.mark.parametrize("name", [name for name in EVERY if name not in ("ssd_dml", "ssd_kd_sigmoid")])
def test_gradient_equals_finite_differences(name: str) -> None:
    objective = set_up(EVERY[name]())
    batch = make_anchor_batch(tau=2.0)
    assert torch.autograd.gradcheck(
        lambda outputs: objective(replace(batch, student_logits=outputs)), batch.student_logits
    )


@every
def test_forward_does_not_read_the_device(name: str) -> None:
    objective = set_up(EVERY[name]())
    batch = make_anchor_batch(dtype=torch.float32)
    with Unread():
        objective(batch).backward()


@pytest.mark.parametrize("rule", [Standardised, PerSampleRandom])
@pytest.mark.parametrize("name", ["ssd_kd", "ssd_self", "ssd_dml"])
def test_a_rule_softens_every_anchor_by_its_own(name: str, rule: type) -> None:
    objective = set_up(EVERY[name]()).double()
    objective.rule = rule()
    objective.rule.setup(RuleSetup(num_classes=CLASSES, epochs=2, seed=0, tau_range=None))  # type: ignore[operator]
    loss = objective(make_anchor_batch())
    loss.backward()
    assert torch.isfinite(loss)
    assert objective.student_taus is not None
    assert len(objective.student_taus.unique()) > 3


def test_standardising_is_dividing_by_each_anchors_spread() -> None:
    batch = make_anchor_batch()
    objective = SSDKD(alpha=1.0, soft="kl", hint_weight=0.0, bound_weight=0.0, localisation_weight=0.0)
    objective.rule = Standardised()
    teacher = array(batch.teacher_logits)[..., :CLASSES]  # type: ignore[arg-type]
    expected = Expected(array(batch.student_logits), batch)
    total = 0.0
    for place in expected.chosen:
        z, t = expected.logits[place], teacher[place]
        p, q = softmax(z, 4 * z.std(ddof=1)), softmax(t, 4 * t.std(ddof=1))
        total += 16 * float((q * np.log(q / p)).sum())
    assert objective(batch).item() == pytest.approx(total / 3, rel=1e-6)
