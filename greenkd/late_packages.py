"""Packages that take long to import: they are imported when something is first taken from them.

A command checks all settings before it does anything, and holds those of a network against its function, for which it
imports `greenkd.models`. But one that only looks builds no network, and need not wait for torch's tracer, which
torchvision and the count of FLOPs bring with them.
"""

import importlib
from typing import Any


class LatePackage:
    """Stands for a module until something is taken from it.

    Args:
        name: The module's dotted name.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        """Imports the module, unless that has been done, and returns what it has under a name."""
        return getattr(importlib.import_module(self._name), attribute)


torchvision = LatePackage("torchvision")
flop_counter = LatePackage("torch.utils.flop_counter")
