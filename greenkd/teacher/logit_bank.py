"""The logit bank: the teacher's outputs of each epoch, computed once and read back by every later training.

All trainings of one seed see the same views in the same order, so the teacher says the same to each. The bank stores
what it said, in the order of the batches, in safetensors files of some seconds of work each: trials that run side by
side compute different files of an epoch at the same time, and of what is killed little is lost. In float32 a training
with the bank equals one without it to the last bit: the teacher is run by the student's number of threads, on which the
last bits of a forward pass depend, and which the folder's name holds. Its energy is a phase of its own, in a ledger of
its own; how much of it a campaign would have paid alone follows from the number of images.
"""

import logging
import math
import os
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from greenkd.energy import EnergyMonitor
from greenkd.errors import StorageError
from greenkd.locks import FileLocks, Locks
from greenkd.records import Costs, LedgerRow, Phase, meter_of, read_rows, scale_costs
from greenkd.records.metering import OwnTerms, meters_of, own_terms
from greenkd.records.timestamps import to_seconds
from greenkd.teacher.live import LiveTeacher
from greenkd.training.batches import Batch, BatchLoader, EpochPlan
from greenkd.training.learner import TeacherOutputs
from greenkd.training.safetensors_io import load_tensors, save_tensors
from greenkd.training.stop_signals import StopFlag, holding

log = logging.getLogger(__name__)
LEDGER = "ledger.jsonl"
_FILES = FileLocks()

Precision = Literal["float32", "float16"]
_DTYPES = {"float32": torch.float32, "float16": torch.float16}

# FLOPs of a file's computation, a few seconds on one CPU core: less is not worth a file, more is a long wait for those
# who could compute the next one meanwhile. And no epoch needs more files than processes can share.
_FLOPS_PER_FILE = 2e11
_FILES_PER_EPOCH = 16


class _Part(NamedTuple):
    """Some batches of an epoch, which lie in one file."""

    steps: range
    rows: slice


class LogitBank:
    """Stored logits of one teacher on one stream of views.

    Args:
        folder: Where this stream's epochs lie; named by a hash of teacher, data, augmentation, seed and batch size.
        teacher: Computes what is missing.
        loader: The stream of views.
        monitor: Records the computation, in the stream's own ledger.
        output_shape: Shape of what is stored of one image: [K] in classification.
        stop: Asked between two batches of the computation.
        precision: Of the stored numbers; what is read back is float32.
        locks: Where its locks are kept.
    """

    flops_per_image = 0.0

    def __init__(
        self,
        folder: Path,
        teacher: LiveTeacher,
        loader: BatchLoader,
        monitor: EnergyMonitor,
        output_shape: tuple[int, ...],
        stop: StopFlag,
        precision: Precision = "float32",
        locks: Locks = _FILES,
    ) -> None:
        self._folder = folder
        self._teacher = teacher
        self._loader = loader
        self._monitor = monitor
        self._output_shape = output_shape
        self._stop = stop
        self._locks = locks
        self._dtype = _DTYPES[precision]
        self._parts = _parts(loader, teacher.flops_per_image)
        self._epoch: Tensor | None = None
        self._is_metered = False

    def begin_epoch(self, epoch: int, plan: EpochPlan) -> None:
        """Reads the epoch's logits, after computing what nobody has; one epoch is in memory at a time."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            os.utime(self._folder)  # eviction takes the stream used longest ago
        except OSError as error:
            raise StorageError(
                f"{self._folder}: cannot be made ({error.strerror}); set cache_dir=<a folder you can write>"
            ) from error

        if not self._is_metered:
            self._meter_again(plan)
            self._is_metered = True

        # First what is free, then what other processes were computing meanwhile.
        logits = torch.empty(self._loader.samples, *self._output_shape)
        busy = [part for part in self._parts if not self._fill(logits, epoch, plan, part, wait=False)]
        for part in busy:
            self._fill(logits, epoch, plan, part, wait=True)
        self._epoch = logits.to(plan.order.device)

    def outputs(self, batch: Batch, rows: slice) -> TeacherOutputs:
        """Returns the stored logits of one batch."""
        if self._epoch is None:
            raise RuntimeError("begin_epoch comes before outputs")
        return TeacherOutputs(self._epoch[rows], None)

    def _meter_again(self, plan: EpochPlan) -> None:
        """Computes the logits of one file once more where only other meters have seen this stream computed.

        A meter with a sensor can say nothing of what it has not read; a model is worked out from the ledger.
        """
        rows = _ledger(self._folder)
        self._monitor.flush()
        own = own_terms(self._monitor.rows)
        if not rows or own is None or own.power is not None or own.meter in meters_of(rows):
            return

        log.info("  the stored logits were metered by %s: computing some again to meter them", meters_of(rows)[0])
        self._outputs_of(plan, self._parts[0])

    def _fill(self, logits: Tensor, epoch: int, plan: EpochPlan, part: _Part, *, wait: bool) -> bool:
        """Fills one part's rows; False if another process is computing them and we do not wait."""
        path = self._folder / f"epoch_{epoch:04d}_{part.steps.start:06d}.safetensors"
        stored = self._read(path, part)
        if stored is None:
            name = f"part_{part.steps.start:06d}"
            lock = self._locks.lock(self._folder / f"{name}.lock", f"logits/{self._folder.name}/{name}")
            if not wait:
                if not lock.acquire(0):
                    return False
                lock.release()

            with holding(lock, self._stop):
                stored = self._read(path, part)  # by another process, meanwhile
                if stored is None:
                    stored = self._outputs_of(plan, part, save_as=path)

        logits[part.rows] = stored.float()
        return True

    def _read(self, path: Path, part: _Part) -> Tensor | None:
        if not path.exists():
            return None
        try:
            logits = load_tensors(path)[0]["logits"]
        except (StorageError, KeyError) as error:
            log.warning("%s; computing these logits again", error)
            return None

        if logits.shape != (part.rows.stop - part.rows.start, *self._output_shape) or logits.dtype != self._dtype:
            log.warning("%s: holds logits of another shape; computing them again", path)
            return None
        return logits

    def _outputs_of(self, plan: EpochPlan, part: _Part, save_as: Path | None = None) -> Tensor:
        """Runs the teacher on one part of an epoch, and stores what it says where that is asked for."""
        logits = torch.empty(part.rows.stop - part.rows.start, *self._output_shape)
        with self._monitor.phase(Phase.TEACHER_LOGITS, ledger=self._folder / LEDGER) as handle:
            for step in part.steps:
                self._stop.check()
                rows = self._loader.rows(step)
                rows_in_part = slice(rows.start - part.rows.start, rows.stop - part.rows.start)
                logits[rows_in_part] = self._teacher.outputs(self._loader.batch(plan, step), rows).logits.cpu()

                images = rows.stop - rows.start
                flops = images * self._teacher.flops_per_image
                handle.add_work(images, flops=flops, forward_flops=flops)

            logits = logits.to(self._dtype)
            if save_as is not None:
                save_tensors(save_as, {"logits": logits}, {})
        return logits


def _parts(loader: BatchLoader, flops_per_image: float) -> list[_Part]:
    """Divides an epoch into files; a function of teacher and stream alone, so that all processes divide alike."""
    per_file = math.ceil(_FLOPS_PER_FILE / max(flops_per_image * loader.rows(0).stop, 1.0))
    length = min(loader.steps, max(per_file, math.ceil(loader.steps / _FILES_PER_EPOCH)))

    starts = range(0, loader.steps, length)
    steps = [range(start, min(start + length, loader.steps)) for start in starts]
    return [_Part(part, slice(loader.rows(part[0]).start, loader.rows(part[-1]).stop)) for part in steps]


def bank_size_bytes(samples: int, output_shape: tuple[int, ...], epochs: int, precision: Precision) -> int:
    """Returns the size of all epochs of one stream."""
    return _DTYPES[precision].itemsize * samples * math.prod(output_shape) * epochs


def make_room(root: Path, needed: int, limit: int, keep: Path) -> None:
    """Deletes the streams used longest ago until one of `needed` bytes fits under `limit` beside the others.

    Args:
        root: Where the streams lie.
        needed: Size of the stream to be used, what is there of it included.
        limit: Of all streams together.
        keep: The stream to be used, never touched.
    """
    streams = {folder: _bytes(folder) for folder in root.glob("*") if folder.is_dir() and folder != keep}
    present = sum(streams.values())

    for folder in sorted(streams, key=lambda item: item.stat().st_mtime):
        if present + needed <= limit:
            return
        for file in folder.glob("epoch_*.safetensors"):
            file.unlink(missing_ok=True)
        present -= streams[folder]
        log.info("logit bank: removed %s to stay under the size limit", folder.name)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("epoch_*.safetensors"))


def costs_alone(
    folder: Path, images: int, own: OwnTerms, *, at_most_computed: bool = False
) -> tuple[Costs, tuple[str, ...]] | None:
    """Returns what a campaign that needs `images` teacher logits pays for them with no one to share them with.

    The stream's whole ledger, whoever paid and however often an epoch was computed, scaled to that many images. Energy
    is in terms of the campaign's own meter: what that meter recorded for some of the images holds for all of them;
    where it recorded none, a model says what it would have, and a meter with a sensor says nothing.

    Args:
        folder: The stream's.
        images: How many logits the campaign needs.
        own: The campaign's meter.
        at_most_computed: The training they are for has not ended: it needs no more than were computed so far.

    Returns:
        The costs, and the meters whose readings their energy rests on; None if the stream was never computed.
    """
    rows = _ledger(folder)
    computed = sum(row.images for row in rows)
    if not computed:
        return None
    if at_most_computed:
        images = min(images, computed)

    meters = meters_of(rows)
    is_read = any(meter_of(row) == own.meter and row.energy_kwh is not None for row in rows)
    return scale_costs(own.per_image(rows), images / computed), (own.meter,) if is_read else meters


def costs_paid(folder: Path, campaign_id: str, since: str, own: OwnTerms) -> Costs | None:
    """Returns what one campaign has really spent on the stream, in terms of its meter; None if nothing.

    Args:
        folder: The stream's.
        campaign_id: The campaign's, which the same campaign in another sweep has too.
        since: When it began, ISO 8601.
        own: The campaign's meter.
    """
    rows = [row for row in _ledger(folder) if row.campaign_id == campaign_id and row.started_at >= to_seconds(since)]
    return own.of(rows) if rows else None


def _ledger(folder: Path) -> list[LedgerRow]:
    lines = read_rows(folder / LEDGER, LedgerRow)
    if lines.changed:
        log.warning(
            "%s: %d line(s) were changed since they were written, and are left out of what these logits cost",
            folder / LEDGER,
            len(lines.changed),
        )
    return lines.rows
