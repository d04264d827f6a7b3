"""Contrastive representation distillation: features of one image agree, features of different classes do not."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from greenkd.errors import ConfigError
from greenkd.objectives.base import NO_TEMPERATURE, LossFlops, LossInputs, Objective, Setup, present
from greenkd.objectives.divergence import Reduction, Weight, cross_entropy, softened_kl
from greenkd.objectives.negatives import draw_integers
from greenkd.streams import stream_seed

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]


class CRD(Objective):
    """w_ce·CE + w_kl·τ²·KL + w_crd·(contrast(student | teacher bank) + contrast(teacher | student bank)).

    The features [B, F] before each network's last linear layer are projected to d dimensions and scaled to length 1.
    Two memory banks [N, d] hold one such embedding per training image and network. Anchor e of image i is told from
    noise (NCE): with s_j = exp(e·bank_j / T) / Z, K negatives j and noise probability 1/N,

        contrast = −log(s_i / (s_i + K/N)) − Σ_j log((K/N) / (s_j + K/N)),   mean over the batch.

    Z is set once, from the first batch, to N times the mean of exp(e·bank/T). After each step an image's bank entry
    moves to momentum·entry + (1−momentum)·embedding, scaled to length 1. T (`nce_temperature`) is a constant of the
    contrast and has nothing to do with the distillation temperature τ, which acts on the KL term alone.

    Negatives are training images of other classes, as in the source: neither the image itself nor another of its class
    is ever drawn. They are drawn uniformly with replacement (the source: without, where there are enough). Their
    number is cut to what the largest class leaves over (N − its size), so that small data sets are not asked for more
    negatives than they have.

    Args:
        ce_weight: Weight w_ce of the cross-entropy.
        kl_weight: Weight w_kl of the distillation term; 0 is the source's CRD alone, where τ has no effect.
        crd_weight: Weight w_crd of the contrast; 0.8 in the source's commands.
        negatives: K, 16384 in the source; cut as described above.
        nce_temperature: T, 0.07 in the source.
        momentum: Share of a bank entry that is kept in a step, 0.5 in the source.
        embedding_size: d, 128 in the source.
        reduction: Of the KL term, as in KD.

    Source: Tian, Krishnan & Isola, "Contrastive Representation Distillation", ICLR 2020, equation 18, and its code
    (RepDistiller).
    """

    teacher = "teacher"
    uses_temperature = True
    refuses_rules = None
    wants_features = True

    student_bank: Tensor
    teacher_bank: Tensor
    student_log_z: Tensor
    teacher_log_z: Tensor
    normalised: Tensor
    bank_row: Tensor
    class_start: Tensor
    class_size: Tensor

    def __init__(
        self,
        *,
        ce_weight: Weight = 1.0,
        kl_weight: Weight = 1.0,
        crd_weight: Weight = 0.8,
        negatives: Count = 16384,
        nce_temperature: Positive = 0.07,
        momentum: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        embedding_size: Count = 128,
        reduction: Reduction = "batchmean",
    ) -> None:
        super().__init__()
        self.ce_weight = ce_weight
        self.kl_weight = kl_weight
        self.crd_weight = crd_weight
        self.negatives = negatives
        self.nce_temperature = nce_temperature
        self.momentum = momentum
        self.embedding_size = embedding_size
        self.reduction: Reduction = reduction
        self.uses_temperature = kl_weight > 0
        self.refuses_rules = None if kl_weight > 0 else NO_TEMPERATURE

    def setup(self, setup: Setup) -> None:
        """Creates the projections and the memory banks.

        Raises:
            ConfigError: All training images are of one class, so there are no negatives.
        """
        if setup.student_feature_size is None or setup.teacher_feature_size is None:
            raise ValueError("CRD needs both feature sizes")

        labels = setup.train_labels
        sizes = torch.bincount(labels, minlength=setup.num_classes)
        self.negative_count = min(self.negatives, len(labels) - int(sizes.max()))
        if self.negative_count < 1:
            raise ConfigError("objective=crd needs training images of at least two classes, to have negatives")

        generator = torch.Generator().manual_seed(stream_seed(setup.seed, "objective"))
        self.seed = setup.seed
        self.student_projection = _projection(setup.student_feature_size, self.embedding_size, generator)
        self.teacher_projection = _projection(setup.teacher_feature_size, self.embedding_size, generator)

        for network in ("student", "teacher"):
            bank = torch.rand(len(labels), self.embedding_size, generator=generator)
            # Uniform in ±√(3/d): rows have length about 1, as embeddings do.
            self.register_buffer(f"{network}_bank", (2 * bank - 1) * math.sqrt(3 / self.embedding_size))
            self.register_buffer(f"{network}_log_z", torch.zeros(()))
        self.register_buffer("normalised", torch.zeros((), dtype=torch.bool))

        # Banks are kept sorted by class: the images of other classes are then two runs of rows, and a draw among them
        # needs no table of negatives per class.
        bank_row = torch.argsort(torch.argsort(labels, stable=True))
        self.register_buffer("bank_row", bank_row, persistent=False)
        self.register_buffer("class_start", sizes.cumsum(0) - sizes, persistent=False)
        self.register_buffer("class_size", sizes, persistent=False)

    def flops(self) -> LossFlops:
        """States the two projections and the scores of the two embeddings against the banks."""
        student, teacher = self.student_projection.in_features, self.teacher_projection.in_features
        scores = 2 * len(self.bank_row) * self.embedding_size

        # Backward: embeddings, projections and the student's features take a gradient; banks and the teacher do not.
        forward_macs = scores + (student + teacher) * self.embedding_size
        backward_macs = scores + (2 * student + teacher) * self.embedding_size
        return LossFlops(forward=2.0 * forward_macs, training=2.0 * (forward_macs + backward_macs))

    def forward(self, batch: LossInputs) -> Tensor:
        """Returns the loss, 0-dim; moves the bank entries of the batch's images."""
        student_features = present(batch.student_features, "student_features")
        teacher_features = present(batch.teacher_features, "teacher_features")

        loss = self.ce_weight * cross_entropy(batch.student_logits, batch.labels)
        if self.kl_weight > 0:
            loss = loss + self.kl_weight * softened_kl(
                batch.student_logits,
                present(batch.teacher_logits, "teacher_logits"),
                *self.soften(batch),
                reduction=self.reduction,
            )

        # The contrast is computed in float32, also where the networks run in a lower precision.
        with torch.autocast(batch.labels.device.type, enabled=False):
            contrast = self._contrast(batch, student_features, teacher_features)
        return loss + self.crd_weight * contrast

    def negative_rows(self, batch: LossInputs) -> Tensor:
        """Returns the bank rows [B, K] that serve as the batch's negatives in this epoch."""
        sizes = self.class_size[batch.labels]
        draws = draw_integers(
            batch.indices, len(self.bank_row) - sizes, self.negative_count, seed=self.seed, epoch=batch.epoch
        )

        # A draw counts the rows of other classes only; it skips the run of rows that the label's own class takes.
        return draws + sizes[:, None] * (draws >= self.class_start[batch.labels][:, None])

    def _contrast(self, batch: LossInputs, student_features: Tensor, teacher_features: Tensor) -> Tensor:
        """Returns the contrast with either network as anchor, 0-dim; moves the bank entries of the batch's images."""
        student = _embed(self.student_projection, student_features)
        teacher = _embed(self.teacher_projection, teacher_features)
        rows = self.bank_row[batch.indices]

        # How often each row was drawn, [B, N]. With it, scores against the whole bank are one matrix product, far
        # cheaper than gathering [B, K, d] rows of the bank, and the backward pass is free of atomic additions.
        drawn = student.new_zeros(len(rows), len(self.bank_row))
        drawn = drawn.scatter_add_(
            1, self.negative_rows(batch), drawn.new_ones(()).expand(len(rows), self.negative_count)
        )

        student_scores = (student / self.nce_temperature) @ self.teacher_bank.T
        teacher_scores = (teacher / self.nce_temperature) @ self.student_bank.T
        if batch.epoch == 0:
            self._normalise_once(student_scores.detach(), teacher_scores.detach(), drawn, rows)
        loss = self._nce(student_scores, self.student_log_z, drawn, rows)
        loss = loss + self._nce(teacher_scores, self.teacher_log_z, drawn, rows)

        # New tensors, not changed in place: the backward pass still needs the banks this step was scored against.
        self.student_bank = self._moved(self.student_bank, rows, student.detach())
        self.teacher_bank = self._moved(self.teacher_bank, rows, teacher.detach())
        return loss

    def _nce(self, scores: Tensor, log_z: Tensor, drawn: Tensor, rows: Tensor) -> Tensor:
        """Returns the mean over the batch of −log D(positive) − Σ log(1 − D(negative)), D = s / (s + K/N).

        Args:
            scores: [B, N], e·bank / T of every anchor e with every row of the bank.
            log_z: 0-dim, the logarithm of Z; s = exp(scores) / Z.
            drawn: [B, N], how often each row was drawn as a negative.
            rows: [B], the positives' rows.
        """
        log_odds = scores - (log_z + math.log(self.negative_count / len(self.bank_row)))
        positive = F.softplus(-log_odds.gather(1, rows[:, None])).sum()
        return (positive + (drawn * F.softplus(log_odds)).sum()) / len(rows)

    def _normalise_once(self, student_scores: Tensor, teacher_scores: Tensor, drawn: Tensor, rows: Tensor) -> None:
        """Sets log Z at the first batch.

        Later batches of the first epoch compute it too, and drop it: asking whether it is set would make the host wait.
        """
        seen = drawn.scatter_add(1, rows[:, None], torch.ones_like(drawn[:, :1]))
        scale = math.log(len(self.bank_row) / (len(rows) * (self.negative_count + 1)))

        for log_z, scores in ((self.student_log_z, student_scores), (self.teacher_log_z, teacher_scores)):
            first = torch.log((seen * torch.exp(scores)).sum()) + scale
            log_z.copy_(torch.where(self.normalised, log_z, first))

        self.normalised.fill_(True)

    def _moved(self, bank: Tensor, rows: Tensor, embeddings: Tensor) -> Tensor:
        """Returns the bank [N, d] with the batch's entries moved towards their new embeddings [B, d]."""
        mixed = self.momentum * bank[rows] + (1 - self.momentum) * embeddings
        return bank.index_copy(0, rows, F.normalize(mixed, dim=1))


def _projection(features: int, size: int, generator: torch.Generator) -> nn.Linear:
    """Returns a linear layer with PyTorch's default distribution of initial weights, drawn from the generator."""
    # Through the meta device, so that the global generator is left alone.
    layer = nn.Linear(features, size, device="meta").to_empty(device="cpu")

    bound = 1 / math.sqrt(features)
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return layer


def _embed(projection: nn.Linear, features: Tensor) -> Tensor:
    """Projects features [B, F] to embeddings [B, d] of length 1."""
    return F.normalize(projection(features.to(projection.weight.dtype)), dim=1)
