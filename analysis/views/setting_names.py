"""How a setting is named in titles. A setting is (dataset, teacher, student, objective, setting_id)."""


def setting_title(key: tuple[str, ...]) -> str:
    """Returns the name of a setting for the title of a table."""
    dataset, teacher, student, objective, setting_id = key
    return f"{dataset} · {teacher} → {student} · {objective} · setting {setting_id}"


def setting_place(key: tuple[str, ...]) -> str:
    """Returns the name of a setting in brackets, for the title of a figure."""
    dataset, teacher, student, objective, _ = key
    return f"({dataset}, {teacher} → {student}, {objective})"
