"""Jobs that differ in their seed alone: what they have in common is worked out once for all of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from greenkd.identity import campaign_id, identifying_text, short_digest

# Stands for any seed in the text that an id is a hash of; no setting holds it.
_ANY = "any seed of greenkd's jobs"

JobKey = tuple[tuple[str, ...], tuple[int, ...]]


def all_but_seed(job: Mapping[str, Any]) -> JobKey:
    """Returns what is equal for jobs that differ in their seed at most, and have the same objects as other values.

    Args:
        job: The resolved configuration, which has to live as long as the result is compared with others.
    """
    return tuple(job), tuple(map(id, {**job, "seed": None}.values()))


def campaign_ids(jobs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the `campaign_id` of each job.

    Args:
        jobs: The resolved configurations.
    """
    around_seed: dict[JobKey, tuple[str, str]] = {}

    ids = []
    for job in jobs:
        seed = job.get("seed")
        if not isinstance(seed, int):  # it will be refused
            ids.append(campaign_id(job))
            continue

        key = all_but_seed(job)
        if key not in around_seed:
            before, _, after = identifying_text({**job, "seed": _ANY}).partition(json.dumps(_ANY))
            around_seed[key] = before, after
        before, after = around_seed[key]
        ids.append(short_digest(before + json.dumps(seed) + after))
    return ids
