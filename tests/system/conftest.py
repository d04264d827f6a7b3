"""Runs the real commands in processes of their own, in a folder of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]
QUICK = ("training.epochs=2", "training.teacher.epochs=1", "training.batch_size=128", "student.width=4")


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("user")


@pytest.fixture(scope="session")
def fresh(base: Path) -> Run:
    """Types `python run.py …` in a user's folder, in a new interpreter; QUICK shortens what is trained."""

    def run(*arguments: str, module: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        program = ["-m", module] if module else [str(ROOT / "run.py")]
        return subprocess.run(
            [sys.executable, *program, *arguments],
            cwd=base,
            env=_environment(environment),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def greenkd(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Types the same in a process that has its imports done."""
    folder = tmp_path_factory.mktemp("output")
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.system.forkserver"],
        cwd=ROOT,
        env=_environment({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    to_server, from_server = server.stdin, server.stdout

    def run(*arguments: str, module: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        written = folder / "stdout", folder / "stderr"
        request = {
            "arguments": arguments,
            "module": module,
            "cwd": str(base),
            "env": _environment(environment),
            "stdout": str(written[0]),
            "stderr": str(written[1]),
        }
        print(json.dumps(request), file=to_server, flush=True)
        code = int(from_server.readline())
        stdout, stderr = (path.read_text() for path in written)
        return subprocess.CompletedProcess(arguments, code, stdout, stderr)

    yield run
    to_server.close()
    server.wait()


def _environment(more: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "120", **more}
