"""What all seeds of a setting share: what their differences say nothing about."""

from collections.abc import Iterable

import pandas as pd

from analysis.frames.load import Sweep

# The setting that gives each seed its own.
_OF_ITS_OWN = {"split": "dataset.split_seed=per_seed", "teacher": "training.teacher.seed=per_seed"}


def held_fixed(sweep: Sweep, campaigns: Iterable[int]) -> tuple[str, ...]:
    """Returns what some campaigns all share besides the test images: split, teacher, both or neither."""
    names = [sweep.records[number].held_fixed for number in sorted(campaigns)]
    return tuple(name for name in names[0] if all(name in others for others in names))


def note_on_shared(setting: pd.DataFrame, shared: tuple[str, ...]) -> list[str]:
    """Returns what has to be said of a setting with several seeds.

    Args:
        setting: The setting's rows of the runs frame.
        shared: What `held_fixed` returned.
    """
    if setting["seed"].nunique() < 2:
        return []

    parts = ["test images", *shared]
    listed = f"{', '.join(parts[:-1])} and {parts[-1]}" if shared else parts[0]
    cures = [_OF_ITS_OWN[name] for name in shared if name in _OF_ITS_OWN]
    cure = f"; {' and '.join(cures)} {'vary' if len(cures) > 1 else 'varies'} {'them' if len(cures) > 1 else 'it'}"
    return [f"all seeds share {listed}{cure if cures else ''}"]
