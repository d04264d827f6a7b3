"""One worker process of a campaign: forked by the fork server, or `python -m greenkd.campaign.workers.worker`.

Light to import: a worker opens its energy monitor before it loads torch, so that loading it is on the ledger. What
loads it is `greenkd.campaign.workers.run`.
"""

import contextlib
import logging
import os
import signal
import sys
from multiprocessing.connection import Connection

from greenkd.campaign.late_imports import load
from greenkd.collector import collect_rarely
from greenkd.energy import open_monitor
from greenkd.energy.unmetered import record_own_start
from greenkd.errors import GreenkdError
from greenkd.records import Phase


class _LogSender(logging.Handler):
    """Sends log records to the campaign's process, which prints them."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__(logging.INFO)
        self._pipe = pipe

    def emit(self, record: logging.LogRecord) -> None:
        """Sends one record."""
        with contextlib.suppress(OSError):
            self._pipe.send(("log", (record.levelno, self.format(record))))


def main() -> None:
    """Runs one worker; its standard input and output are the pipes to the campaign's process."""
    if os.fork():
        os._exit(0)
    for number in (signal.SIGINT, signal.SIGHUP):  # of the terminal: they are for the campaign's process
        signal.signal(number, signal.SIG_IGN)
    collect_rarely()
    serve_worker(os.dup(0), os.dup(1))


def serve_worker(read: int, write: int) -> None:
    """Runs one worker in this process.

    Args:
        read: File descriptor of the pipe from the campaign's process.
        write: File descriptor of the pipe to it.
    """
    from_campaign, to_campaign = Connection(read, writable=False), Connection(write, readable=False)
    to_campaign.send(("pid", os.getpid()))
    os.dup2(2, 1)  # what a library prints must not end up in the pipe, or in the command's output
    logging.basicConfig(level=logging.INFO, handlers=[_LogSender(to_campaign)], force=True)

    with contextlib.suppress(EOFError, OSError):  # the campaign's process is gone
        try:
            _work(from_campaign, to_campaign)
        except GreenkdError as error:
            to_campaign.send(("log", (logging.WARNING, f"a worker process has ended: {error}")))
        to_campaign.send(("end", None))


def _work(from_campaign: Connection, to_campaign: Connection) -> None:
    energy, campaign_id, folder = from_campaign.recv()
    ledger = folder / "ledger.jsonl"
    monitor = open_monitor(energy, campaign_id=campaign_id, ledger=ledger, synchronize=_wait_for_gpu)
    with monitor:
        # Metered for the campaign from here on: loading torch, where that is still to come, is part of what it costs.
        with monitor.phase(Phase.START_UP):
            load()
            from greenkd.campaign.workers.run import run_worker_over

        run_worker_over(from_campaign, to_campaign, folder, monitor)

    record_own_start(ledger)


def _wait_for_gpu() -> None:
    """Waits until the GPU in use, if there is one, has done what it was given; imports nothing for that."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
