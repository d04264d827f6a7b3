"""Commands as a user types them, without importing torch for each: `python -m tests.forkserver <socket>`.

At the first request this process imports what the commands import; it does nothing else. For every request, a line of
JSON, it forks a child that has the command's arguments, environment, folder and output files, runs it as `__main__`,
and ends with its exit code. That saves most of a command's CPU time; those whose start itself is under test are started
afresh. One server is enough for all processes of a test run; it ends when its standard input does.
"""

import atexit
import contextlib
import errno
import importlib
import json
import os
import re
import runpy
import selectors
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

# What run.py and the analysis import sooner or later.
HEAVY = (
    "analysis.cli",
    "analysis.views.report",
    "codecarbon",
    "greenkd.campaign.campaign",
    "greenkd.campaign.workers.run",
    "greenkd.energy.cross_check",
    "greenkd.models",
    "greenkd.sweep.command",
    "greenkd.sweep.execution",
    "sklearn.datasets",
    "sklearn.model_selection",
    "statsmodels.stats.power",
    "torch._dynamo",
    "torch.utils.flop_counter",
)


class FullDisk:
    """An audit hook: from the first file on whose path a pattern fits, nothing new can be written in this folder."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)
        self._folder = Path.cwd()
        self._is_full = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            is_new = bool(set(str(arguments[1])) & set("wax")) or arguments[2] & (os.O_WRONLY | os.O_RDWR)
        else:
            is_new = event == "os.mkdir" and not Path(arguments[0]).is_dir()
        if not is_new or isinstance(arguments[0], int):
            return

        path = self._folder / os.fsdecode(arguments[0])
        self._is_full = self._is_full or self._pattern.search(str(path)) is not None
        if self._is_full and path.is_relative_to(self._folder):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


class Server:
    """Forks commands, and tells each one's client how it ended.

    Attributes:
        clients: Connections by the process whose end they wait for.
    """

    def __init__(self, address: str) -> None:
        self.clients: dict[int, socket.socket] = {}
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen()
        self._ended, self._wake_up = socket.socketpair()
        for end in (self._ended, self._wake_up):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wake_up.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        """Answers requests until standard input ends, and ends what is left."""
        selector = selectors.DefaultSelector()
        for file in (sys.stdin, self._listener, self._ended):
            selector.register(file, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if self._ended in ready:
                self._ended.recv(1 << 10)
                self._collect()
            if self._listener in ready:
                client, _ = self._listener.accept()
                self._start(client)
            if sys.stdin in ready:
                break

        for pid in self.clients:
            os.kill(pid, signal.SIGKILL)

    def _start(self, client: socket.socket) -> None:
        for name in HEAVY:
            importlib.import_module(name)
        with client.makefile() as lines:
            request = json.loads(lines.readline())
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for connection in (client, self._listener, self._ended, *self.clients.values()):
                connection.close()
            os._exit(run(request))
        self.clients[pid] = client
        client.sendall(f"{pid}\n".encode())

    def _collect(self) -> None:
        while self.clients:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            with self.clients.pop(pid) as client, contextlib.suppress(BrokenPipeError):
                client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def run(request: dict[str, Any]) -> int:
    """Runs one command in this process and returns its exit code."""
    for number, path in ((0, os.devnull), (1, request["stdout"]), (2, request["stderr"])):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, number)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
    if "FULL_FROM" in os.environ:
        sys.addaudithook(FullDisk(os.environ.pop("FULL_FROM")))
    code: object = 0
    try:
        match request["program"]:
            case ["-m", module]:
                sys.argv = [module, *request["arguments"]]
                runpy.run_module(module, run_name="__main__", alter_sys=True)
            case ["-c", program]:
                sys.argv = ["-c", *request["arguments"]]
                exec(program, {"__name__": "__main__"})
            case [program]:
                sys.argv = [program, *request["arguments"]]
                runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
    # What the interpreter does at its end: it lets threads end, and those of joblib wait to be told
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    Server(sys.argv[1]).serve()
