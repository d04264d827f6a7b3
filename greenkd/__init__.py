"""greenkd: which way of choosing the distillation temperature τ is worth its energy?

    import greenkd
    student = greenkd.load_student("multirun/default/digits/…/seed0-d96224b2d1")

`load_student` is imported when it is first used, since it needs PyTorch: commands that need none stay quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

from greenkd import process_clock as process_clock  # first of all, while the process is young

if TYPE_CHECKING:
    from greenkd.export import load_student as load_student

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Finds `load_student` when it is first used; there is no other such name."""
    if name != "load_student":
        raise AttributeError(f"module 'greenkd' has no attribute {name!r}")
    return importlib.import_module("greenkd.export").load_student
