"""A process from which workers are forked: a copy of the command's, made when its imports are done.

A fresh Python would import all of it anew, seconds that each worker of each campaign pays for (`python -m
benchmarks.startup` prints both). A process whose torch has computed cannot be forked any more (its threads stay
behind), so the copy is made before anything computes, and waits.
"""

import atexit
import gc
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable

from greenkd.campaign.late_imports import load
from greenkd.campaign.workers.worker import serve_worker

_server: socket.socket | None = None


def can_fork(device: str) -> bool:
    """Tells whether workers on a device may be forked: not beside CUDA, and safely only on Linux."""
    return device == "cpu" and sys.platform == "linux"


def start_fork_server() -> None:
    """Starts the server, once per process; to be called before anything computes or starts a thread.

    It ends with the process. None is started where a fork is not safe: on other systems than Linux, beside threads.
    """
    global _server  # noqa: PLW0603  (one process, one server)
    if _server is not None or not can_fork("cpu") or threading.active_count() > 1:
        return

    load()
    ours, theirs = socket.socketpair()

    def serve_as_a_grandchild() -> None:
        ours.close()
        if os.fork() == 0:  # no child of the command's process, as `pool` explains
            _serve(theirs)

    child = _fork(serve_as_a_grandchild)
    theirs.close()
    os.waitpid(child, 0)
    _server = ours


def fork_worker(from_campaign: int, to_campaign: int) -> bool:
    """Lets the server fork a worker.

    Args:
        from_campaign: File descriptor that the worker reads from; stays open here.
        to_campaign: File descriptor that it writes to; stays open here.

    Returns:
        False if no server is there.
    """
    if _server is None:
        return False
    try:
        socket.send_fds(_server, [b"\0"], [from_campaign, to_campaign])
    except OSError:  # somebody has ended it
        return False
    return True


def _serve(requests: socket.socket) -> None:
    """Forks a worker for every request, until the command's process has ended."""
    # A quiet process
    gc.freeze()  # the collector would write to every page that is shared
    atexit._clear()  # what the command's process has to do at its end, it does itself
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):  # Ctrl-C, and what a launcher handles, is for the command's process
            signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system removes workers that have ended

    # One worker per request
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, 1, 2)
        if not message:
            return

        def work(pipes: list[int] = descriptors) -> None:
            requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve_worker(*pipes)
            atexit._run_exitfuncs()

        _fork(work)
        for descriptor in descriptors:
            os.close(descriptor)


def _fork(work: Callable[[], None]) -> int:
    """Forks a process that does some work and nothing else; returns its number."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid

    try:
        work()
    except BaseException:  # nothing may run on in frames that belong to the process forked from
        traceback.print_exc()
    finally:
        os._exit(0)
