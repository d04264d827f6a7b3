"""Order of the tests, a garbage collector that looks seldom, and one fork server for all workers."""

import gc
import os

import pytest

from tests.commands import ADDRESS, start_server

# Thousands of tests and what they import stay: Python's own thresholds would have it look at them again and again.
gc.set_threshold(100_000, 10, 10)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[ADDRESS] = start_server()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the long ones, so that at the end no worker is left alone with one."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    gc.freeze()
