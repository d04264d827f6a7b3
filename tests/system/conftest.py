"""Runs the real commands in processes of their own, in a folder of their own."""

import functools
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import in_new_interpreter, typed

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]
QUICK = ("training.epochs=2", "training.teacher.epochs=1", "training.batch_size=128", "student.width=4")


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("user")


@pytest.fixture(scope="session")
def fresh(base: Path) -> Run:
    """Types `python run.py …` in a user's folder, in a new interpreter; QUICK shortens what is trained."""
    return functools.partial(in_new_interpreter, cwd=base)


@pytest.fixture(scope="session")
def greenkd(base: Path) -> Run:
    """Types the same in a process that has its imports done."""
    return functools.partial(typed, cwd=base)
