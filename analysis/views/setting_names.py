"""How a setting is named. A setting is (dataset, teacher, student, objective, setting_id)."""

from collections import Counter
from collections.abc import Iterable


def setting_title(key: tuple[str, ...]) -> str:
    """Returns the name of a setting for the title of a table."""
    dataset, teacher, student, objective, setting_id = key
    return f"{dataset} · {teacher} → {student} · {objective} · setting {setting_id}"


def setting_place(key: tuple[str, ...]) -> str:
    """Returns the name of a setting in brackets, for the title of a figure."""
    dataset, teacher, student, objective, _ = key
    return f"({dataset}, {teacher} → {student}, {objective})"


def setting_names(keys: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Returns a short name for each setting; those that would share it have their setting_id beside it."""
    distinct = list(dict.fromkeys(keys))
    names = {key: f"{key[0]} · {key[1]} → {key[2]} · {key[3]}" for key in distinct}

    counts = Counter(names.values())
    return {key: name if counts[name] == 1 else f"{name} · {key[4]}" for key, name in names.items()}
