"""One helper process of a campaign: forked from a spare process, or `python -m greenkd.campaign.workers.worker`."""

import contextlib
import logging
import os
import sys
import threading
from multiprocessing.connection import Connection

from greenkd.collector import collect_rarely
from greenkd.energy import open_monitor
from greenkd.errors import GreenkdError
from greenkd.records import TrialRow


class _Forward(logging.Handler):
    """Sends log records to the campaign's process, which prints them."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__(logging.INFO)
        self._pipe = pipe

    def emit(self, record: logging.LogRecord) -> None:
        """Sends one record."""
        with contextlib.suppress(OSError):
            self._pipe.send(("log", (record.levelno, self.format(record))))


def main() -> None:
    """Runs one helper; its standard input and output are the pipes to the campaign's process."""
    if os.fork():
        os._exit(0)
    collect_rarely()
    serve_worker(os.dup(0), os.dup(1))


def serve_worker(read: int, write: int) -> None:
    """Runs one helper in this process.

    Args:
        read: File descriptor of the pipe from the campaign's process.
        write: File descriptor of the pipe to it.
    """
    from_campaign, to_campaign = Connection(read, writable=False), Connection(write, readable=False)
    to_campaign.send(("pid", os.getpid()))
    os.dup2(2, 1)  # what a library prints must not end up in the pipe, or in the command's output
    logging.basicConfig(level=logging.INFO, handlers=[_Forward(to_campaign)], force=True)
    with contextlib.suppress(EOFError, OSError):  # the campaign's process is gone
        try:
            _help(from_campaign, to_campaign)
        except GreenkdError as error:
            to_campaign.send(("log", (logging.WARNING, f"a helper process has ended: {error}")))
        to_campaign.send(("end", None))


def _wait_for_gpu() -> None:
    """Waits until the GPU in use, if there is one, has done what it was given; imports nothing for that."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _help(from_campaign: Connection, to_campaign: Connection) -> None:
    energy, campaign_id, folder = from_campaign.recv()
    with open_monitor(
        energy, campaign_id=campaign_id, ledger=folder / "ledger.jsonl", synchronize=_wait_for_gpu
    ) as monitor:
        # From here on everything is on the campaign's bill, the import of torch included where that is still to come.
        from greenkd.campaign.console import Reporter
        from greenkd.campaign.workers.run import run_worker
        from greenkd.errors import TrainingInterruptedError
        from greenkd.training.stop_signals import stop_on_signals

        class Teller(Reporter):
            """Leaves the talking to the campaign's process."""

            def note(self, text: str) -> None:
                """Says nothing: the campaign's process has come to the same conclusion."""

            def trial_finished(self, row: TrialRow) -> None:
                """Passes a trial on."""
                to_campaign.send(("trial", row))

        settings, counted = from_campaign.recv()
        with stop_on_signals() as stop:

            def watch() -> None:
                with contextlib.suppress(EOFError, OSError):
                    from_campaign.recv()
                stop.set("the end of the campaign's process")

            threading.Thread(target=watch, daemon=True).start()
            with contextlib.suppress(TrainingInterruptedError):
                run_worker(settings, folder, stop, Teller(), monitor, counted)


if __name__ == "__main__":
    main()
