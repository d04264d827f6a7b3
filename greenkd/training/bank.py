"""The logit bank: the teacher's logits of each epoch, computed once and read back by every later training.

All trainings of one seed see the same views in the same order, so the teacher says the same to each. The bank stores
what it said: one safetensors file per epoch, in the order of the batches, float32, so that a training with the bank
equals one without it to the last bit. Its energy is a phase of its own, in a ledger of its own; how much of it a
campaign would have paid alone follows from the number of images.
"""

import dataclasses
import logging
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor

from greenkd.errors import StorageError
from greenkd.records import Costs, LedgerRow, Phase, read_rows, scale_costs, sum_costs
from greenkd.training.feed import EpochPlan, FedBatch, Feed
from greenkd.training.interrupt import StopFlag, holding
from greenkd.training.learner import TeacherOutputs
from greenkd.training.loop import Billing
from greenkd.training.signal import LiveTeacher
from greenkd.training.weights import load_tensors, save_tensors

log = logging.getLogger(__name__)
LEDGER = "ledger.jsonl"


class LogitBank:
    """Stored logits of one teacher on one stream of views.

    Args:
        folder: Where this stream's epochs lie; named by a hash of teacher, data, augmentation, seed and batch size.
        teacher: Computes the epochs that are missing.
        feed: The stream of views.
        billing: Whom the computation is booked to.
        num_classes: K.
        stop: Asked between two batches of the computation.
    """

    flops_per_image = 0.0

    def __init__(
        self, folder: Path, teacher: LiveTeacher, feed: Feed, billing: Billing, num_classes: int, stop: StopFlag
    ) -> None:
        self._folder = folder
        self._teacher = teacher
        self._feed = feed
        self._billing = dataclasses.replace(billing, phase=Phase.TEACHER_LOGITS, ledger=folder / LEDGER)
        self._num_classes = num_classes
        self._stop = stop
        self._epoch: Tensor | None = None

    def begin_epoch(self, epoch: int, plan: EpochPlan) -> None:
        """Reads the epoch's logits, after computing them if nobody has."""
        path = self._folder / f"epoch_{epoch:04d}.safetensors"
        self._folder.mkdir(parents=True, exist_ok=True)
        waiting = "another process is computing these teacher logits; waiting for it"
        with holding(FileLock(path.with_suffix(".lock")), self._stop, waiting):
            stored = self._read(path)
            if stored is None:
                stored = self._compute(plan)
                save_tensors(path, {"logits": stored}, {"epoch": epoch})
        self._epoch = stored.to(plan.order.device)

    def outputs(self, batch: FedBatch, rows: slice) -> TeacherOutputs:
        """Returns the stored logits of one batch."""
        if self._epoch is None:
            raise RuntimeError("begin_epoch comes before outputs")
        return TeacherOutputs(self._epoch[rows], None)

    def _read(self, path: Path) -> Tensor | None:
        if not path.exists():
            return None
        try:
            logits = load_tensors(path)[0]["logits"]
        except (StorageError, KeyError) as error:
            log.warning("%s; computing these logits again", error)
            return None
        if logits.shape != (self._feed.samples, self._num_classes):
            log.warning("%s: holds logits of another shape; computing them again", path)
            return None
        return logits

    def _compute(self, plan: EpochPlan) -> Tensor:
        logits = torch.empty(self._feed.samples, self._num_classes)
        billing = self._billing
        with billing.book.phase(billing.phase, ledger=billing.ledger) as metered:
            for step in range(self._feed.steps):
                self._stop.check()
                rows = self._feed.rows(step)
                logits[rows] = self._teacher.outputs(self._feed.batch(plan, step), rows).logits.cpu()
                images = rows.stop - rows.start
                flops = images * self._teacher.flops_per_image
                metered.add_work(images, flops=flops, forward_flops=flops)
        return logits


def bank_size_bytes(samples: int, num_classes: int, epochs: int) -> int:
    """Returns the size of all epochs of one stream, float32."""
    return 4 * samples * num_classes * epochs


def make_room(root: Path, needed: int, limit: int, keep: Path) -> None:
    """Deletes the streams used longest ago until `needed` more bytes fit under `limit`; `keep` is never touched."""
    streams = {folder: _bytes(folder) for folder in root.glob("*") if folder.is_dir()}
    present = sum(streams.values())
    for folder in sorted(streams, key=lambda item: item.stat().st_mtime):
        if present + needed <= limit:
            return
        if folder != keep:
            for file in folder.glob("epoch_*.safetensors"):
                file.unlink(missing_ok=True)
            present -= streams[folder]
            log.info("logit bank: removed %s to stay under the size limit", folder.name)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("epoch_*.safetensors"))


def costs_alone(folder: Path, images: int) -> Costs | None:
    """What a campaign that needs `images` teacher logits pays for them when it has no one to share them with.

    The stream's whole ledger, whoever paid and however often an epoch was computed, scaled to that many images.
    """
    rows = _ledger(folder)
    computed = sum(row.images for row in rows)
    return scale_costs(sum_costs(rows), images / computed) if computed else None


def costs_paid(folder: Path, campaign_id: str) -> Costs | None:
    """What one campaign has really spent on the stream; None if nothing."""
    rows = [row for row in _ledger(folder) if row.campaign_id == campaign_id]
    return sum_costs(rows) if rows else None


def _ledger(folder: Path) -> list[LedgerRow]:
    return read_rows(folder / LEDGER, LedgerRow).rows
