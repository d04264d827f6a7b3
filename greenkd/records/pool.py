"""What is on record about a pool of images that students are trained on in the data set's place."""

import dataclasses


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
