"""The pools in the cache: images made once per teacher and settings, with a ledger of their own.

A folder `<cache>/pools/<key>/` holds `images.safetensors` (bytes, with the teacher's labels), `pool.json` (PoolRecord),
`ledger.jsonl` and `pool.png`, a contact sheet. While a pool is made, `rounds/` holds what is done of it. A lock lets
one process make it and the others wait.
"""

import dataclasses
import logging
from pathlib import Path

from greenkd.data import Images
from greenkd.errors import DataError, StorageError
from greenkd.records.pool import PoolRecord
from greenkd.records.pool_file import read_pool
from greenkd.synthesis.making import IMAGES, RECORD, ROUNDS, make_pool
from greenkd.synthesis.request import PoolRequest, pool_key, pool_size
from greenkd.synthesis.rounds import KeptRounds
from greenkd.training.context import TrainingContext
from greenkd.training.safetensors_io import load_tensors, set_aside
from greenkd.training.stop_signals import holding

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Pool:
    """Images that students see, and further ones on which they are held against the teacher; labels are the teacher's.

    Attributes:
        images: For training.
        held_out: For `selection=agreement`.
        record: What is on record.
        folder: In the cache.
    """

    images: Images
    held_out: Images
    record: PoolRecord
    folder: Path


def load_or_make(context: TrainingContext, request: PoolRequest, cache: Path) -> Pool:
    """Loads a pool from the cache, or makes it; several processes at once make it once.

    Args:
        context: The campaign's, with the data that the teacher was trained on.
        request: Which pool.
        cache: The cache folder.

    Raises:
        ConfigError: Images cannot be made from this teacher.
        DataError: The data set that they are taken from is missing or damaged.
        StorageError: The cache cannot be written.
        TrainingInterruptedError: A stop was asked for; the rounds that are done are kept.
    """
    size = pool_size(request.transfer, context.data)
    key = pool_key(request.transfer, request.config, context, request.teacher_key, size)
    folder = cache / "pools" / key
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be made ({error.strerror}); set cache_dir=<a folder you can write>"
        ) from error

    # What one process makes, the others wait for.
    waiting = "another process is making these images; waiting for it"
    lock = context.locks.lock(folder.with_suffix(".lock"), f"pools/{folder.name}")
    with holding(lock, context.stop, waiting):
        pool = load_pool(folder)
        if pool is None:
            make_pool(context, request, folder, size)
            pool = load_pool(folder)

    if pool is None:
        raise StorageError(f"{folder}: the images that were just written cannot be read; look after the disk")
    return pool


def load_pool(folder: Path) -> Pool | None:
    """Reads a pool; None if it is not complete, or damaged, which is said."""
    described = folder / RECORD
    if not described.exists():
        return None
    try:
        record = read_pool(described)
        tensors, _ = load_tensors(folder / IMAGES)
        everything = Images(tensors["images"], tensors["labels"])
    except (StorageError, DataError, KeyError) as error:
        log.warning("the cached pool of images is damaged and will be made again: %s", error)
        set_aside(described)
        return None

    KeptRounds(folder / ROUNDS).remove()  # of a process that was killed when all but this was done
    count = record.images
    return Pool(
        images=Images(everything.images[:count], everything.labels[:count]),
        held_out=Images(everything.images[count:], everything.labels[count:]),
        record=record,
        folder=folder,
    )
