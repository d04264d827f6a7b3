"""Runs the real commands in subprocesses, in a folder of their own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]
QUICK = ("training.epochs=2", "training.teacher.epochs=1", "training.batch_size=128", "student.width=4")


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("user")


@pytest.fixture(scope="session")
def greenkd(base: Path) -> Run:
    """Types `python run.py …` in a user's folder; QUICK shortens what is trained."""

    def run(*arguments: str, module: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        program = ["-m", module] if module else [str(ROOT / "run.py")]
        return subprocess.run(
            [sys.executable, *program, *arguments],
            cwd=base,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "120", **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
