"""Terms of the losses that images are made by, besides the class (cross-entropy) and the batch norms' statistics."""

import torch
from torch import Tensor
from torch.nn import functional as F


def total_variation(images: Tensor) -> Tensor:
    """Returns how far neighbouring pixels differ, 0-dim.

    The sum of the Euclidean norms, over the whole batch, of four differences: to the right, downwards, and along both
    diagonals (the image prior of DeepInversion's code).

    Args:
        images: [B, C, H, W].
    """
    differences = (
        images[:, :, :, :-1] - images[:, :, :, 1:],
        images[:, :, :-1, :] - images[:, :, 1:, :],
        images[:, :, 1:, :-1] - images[:, :, :-1, 1:],
        images[:, :, :-1, :-1] - images[:, :, 1:, 1:],
    )
    return torch.stack([difference.norm() for difference in differences]).sum()


def likeness(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Returns how little a student differs from the teacher where both see the same class, 0-dim, at most 0.

    −mean(1[argmax z = argmax t] · KL(softmax(t) ‖ softmax(z))): images are sought that the student calls what the
    teacher does, but with another distribution (Fang et al., IJCAI 2021, equation 8, and its code).

    Args:
        student_logits: z, [B, K].
        teacher_logits: t, [B, K].
    """
    divergence = F.kl_div(
        student_logits.log_softmax(1), teacher_logits.log_softmax(1), reduction="none", log_target=True
    )
    agree = student_logits.argmax(1) == teacher_logits.argmax(1)
    return -(divergence.sum(1) * agree).mean()


def contrast_loss(local: Tensor, whole: Tensor, new: int, tau: float) -> Tensor:
    """Returns how badly the two views of an image are told from the views of other images, 0-dim.

    −log softmax(⟨local_i, whole_j⟩ / τ) at j = i: the mean over the rows of new images plus the mean over the rows of
    those in the memory bank (Fang et al., Contrastive model inversion, IJCAI 2021, equation 6, and its code).

    Args:
        local: Embeddings of the local views, [N, E] of unit length, new images first.
        whole: Embeddings of the global views, likewise; no gradient flows into them.
        new: How many of the N are new.
        tau: The contrast's own temperature.
    """
    similarities = local @ whole.detach().T / tau
    losses = F.cross_entropy(similarities, torch.arange(len(local), device=local.device), reduction="none")
    if new == len(losses):
        return losses.mean()
    return losses[:new].mean() + losses[new:].mean()
