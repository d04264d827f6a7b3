"""The schema's version, and how rows of earlier versions are read.

Version 1 (greenkd 0.1) knew classification only: its scores were called accuracies, and no record named a metric.
"""

from collections.abc import Mapping
from typing import Any

SCHEMA_VERSION = 2
READABLE_VERSIONS = (1, 2)

_RENAMED_IN_2 = {
    "val_accuracy": "val_score",
    "test_accuracy": "test_score",
    "train_accuracy": "train_score",
    "booked_s": "metered_s",
    "booked_cpu_s": "metered_cpu_s",
}


def is_newer(version: object) -> bool:
    """Tells whether a record's `schema_version` is of a greenkd to come."""
    return isinstance(version, int) and not isinstance(version, bool) and version > SCHEMA_VERSION


def upgrade(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of a record under the names that this version gives them.

    Args:
        fields: One record as read from its file, of a readable version. A record without a version (`teacher.json` of
            greenkd 0.1) counts as version 1.

    Returns:
        The same values; `schema_version` says where they come from.
    """
    if fields.get("schema_version", 1) >= SCHEMA_VERSION:
        return dict(fields)

    renamed = {_RENAMED_IN_2.get(name, name): value for name, value in fields.items()}

    # Records hold other records: the teacher's within the campaign's, a result per tested trial.
    teacher = renamed.get("teacher_result")
    if isinstance(teacher, Mapping):
        renamed["teacher_result"] = upgrade(teacher)
    tests = renamed.get("tests")
    if isinstance(tests, list | tuple):
        renamed["tests"] = [_upgrade_test(test) for test in tests]
    return renamed


def _upgrade_test(test: Any) -> Any:
    if not isinstance(test, Mapping):
        return test
    return {"score" if name == "accuracy" else name: value for name, value in test.items()}
