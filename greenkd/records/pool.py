"""What is on record about a pool of images that students are trained on in the data set's place."""

import dataclasses
import json
from pathlib import Path

import pydantic

from greenkd.errors import DamagedRecordError, RecordError
from greenkd.records.files import write_json


@dataclasses.dataclass(frozen=True, kw_only=True)
class PoolRecord:
    """A pool in the cache. Its synthesis is recorded once, in the pool's own ledger."""

    key: str  # content hash: teacher, settings of the group transfer, normalisation and augmentation
    transfer: str  # the option's name
    images: int  # that students are trained on
    held_out: int  # further ones, on which agreement with the teacher is measured
    rounds: int
    work_images: int  # images times steps, and once more for their labels: what a pool takes if nothing goes wrong
    class_counts: tuple[int, ...]  # of the images that students are trained on, by the teacher's label
    made_by: str  # campaign_id that paid for the last round


_ADAPTER = pydantic.TypeAdapter(PoolRecord)


def write_pool(path: Path, record: PoolRecord) -> None:
    """Replaces `pool.json` as a whole."""
    write_json(path, dataclasses.asdict(record))


def read_pool(path: Path) -> PoolRecord:
    """Reads `pool.json`.

    Raises:
        DamagedRecordError: It is no JSON.
        RecordError: It is no record of a pool.
    """
    try:
        return _ADAPTER.validate_python(json.loads(path.read_text(encoding="utf-8")))
    except pydantic.ValidationError as error:
        raise RecordError(f"{path}: {error.errors()[0]['msg']}") from error
    except ValueError as error:
        raise DamagedRecordError(f"{path}: not JSON ({error})") from error
