"""Which test images a trial got right: `tests.jsonl` in a campaign's folder, a bit for each image.

So that intervals can be crossed over seeds and images. Ten thousand images take 1.7 kB in a line; in `campaign.json`,
which is replaced as a whole for every tested trial, those of a grid would be most of the file.
"""

import base64
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from greenkd.errors import RecordError
from greenkd.records.lines import read_rows
from greenkd.records.trial import CorrectnessRow

FILE = "tests.jsonl"


def correctness_row(trial: int, correct: NDArray[np.bool_]) -> CorrectnessRow:
    """Packs one trial's correctness, [images] in the order of the test split."""
    bits = base64.b64encode(np.packbits(correct).tobytes()).decode("ascii")
    return CorrectnessRow(trial=trial, images=len(correct), correct=bits)


def read_correctness(folder: Path) -> dict[int, NDArray[np.bool_]]:
    """Reads which test images each tested trial of a campaign got right.

    Args:
        folder: The campaign's.

    Returns:
        By trial, [images] in the order of the test split, which is the same for all campaigns of one
        `data_fingerprint`. Empty where nothing is on record, as in folders of schema version 1.

    Raises:
        RecordError: A row is no such row, was changed since it was written, or has not as many bits as images.
    """
    correct: dict[int, NDArray[np.bool_]] = {}
    lines = read_rows(folder / FILE, CorrectnessRow)
    if lines.changed:
        raise RecordError(f"{folder / FILE}: {len(lines.changed)} line(s) were changed since they were written")

    for row in lines.rows:
        try:
            packed = np.frombuffer(base64.b64decode(row.correct, validate=True), dtype=np.uint8)
        except ValueError as error:
            raise RecordError(f"{folder / FILE}: trial {row.trial}: `correct` is no base64 ({error})") from error
        if len(packed) != -(-row.images // 8):
            raise RecordError(f"{folder / FILE}: trial {row.trial}: {8 * len(packed)} bits for {row.images} images")
        correct[row.trial] = np.unpackbits(packed, count=row.images).view(np.bool_)
    return correct
