"""What a user types: in a new interpreter, or in a copy of a process that has its imports done."""

import atexit
import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUN = (str(ROOT / "run.py"),)
ADDRESS = "GREENKD_TEST_FORKSERVER"


def environment_of(more: dict[str, str]) -> dict[str, str]:
    """Returns the environment of a command."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "120", **more}


def in_new_interpreter(
    *words: str, cwd: Path, program: Sequence[str] = RUN, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Types `python run.py …`, or another program of Python, and waits for its end."""
    return subprocess.run(
        [sys.executable, *program, *words],
        cwd=cwd,
        env=environment_of(environment),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


class Command:
    """A command that a copy of the fork server runs, used like `subprocess.Popen`.

    Attributes:
        pid: Its process; this process is not its parent.
        output: File that takes what it prints.
        errors: File that takes its standard error; may be the same.
    """

    def __init__(
        self, *words: str, cwd: Path, program: Sequence[str] = RUN, apart: bool = False, **environment: str
    ) -> None:
        folder = Path(tempfile.mkdtemp(dir=Path(_address()).parent))
        self.output, self.errors = folder / "stdout", folder / ("stderr" if apart else "stdout")
        self.output.touch()  # may be read before the copy writes there
        request = {
            "arguments": words,
            "program": program,
            "cwd": str(cwd),
            "env": environment_of(environment),
            "stdout": str(self.output),
            "stderr": str(self.errors),
        }
        self._server = socket.socket(socket.AF_UNIX)
        self._server.connect(_address())
        self._server.sendall(json.dumps(request).encode() + b"\n")
        self._answers = b""
        self.pid = self._answer(300)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Returns the exit code, or None while it runs."""
        with contextlib.suppress(TimeoutError):
            self.wait(0.001)
        return self.returncode

    def wait(self, timeout_s: float = 300) -> int:
        """Waits for its end.

        Raises:
            TimeoutError: If it has not ended by then.
        """
        if self.returncode is None:
            self.returncode = self._answer(timeout_s)
            self._server.close()
        return self.returncode

    def _answer(self, timeout_s: float) -> int:
        self._server.settimeout(timeout_s)
        while b"\n" not in self._answers:
            more = self._server.recv(64)
            assert more, "the fork server has ended"
            self._answers += more
        line, _, self._answers = self._answers.partition(b"\n")
        return int(line)

    def communicate(self, timeout: float = 300) -> tuple[str, str]:
        """Waits for its end, and returns what it printed."""
        self.wait(timeout)
        return self.output.read_text(), self.errors.read_text()

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kills it, unless it has ended."""
        self.send_signal(signal.SIGKILL)


def typed(*words: str, cwd: Path, program: Sequence[str] = RUN, **environment: str) -> subprocess.CompletedProcess[str]:
    """Types a command as `in_new_interpreter` does, without the imports."""
    command = Command(*words, cwd=cwd, program=program, apart=True, **environment)
    return subprocess.CompletedProcess(words, command.wait(), *command.communicate())


@functools.cache
def _address() -> str:
    """Returns where the fork server listens, which the first process of a test run starts."""
    return os.environ.get(ADDRESS) or start_server()


def start_server() -> str:
    """Starts a fork server that lives as long as this process; it imports nothing before it is asked."""
    folder = tempfile.TemporaryDirectory(prefix="greenkd-fork-", ignore_cleanup_errors=True)
    address = Path(folder.name) / "socket"
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.forkserver", str(address)],
        cwd=ROOT,
        env=environment_of({}),
        stdin=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not address.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)

    def end() -> None:
        assert server.stdin is not None
        server.stdin.close()
        server.wait()
        folder.cleanup()

    atexit.register(end)
    return str(address)
