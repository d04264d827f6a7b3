"""Stops from outside a training: Ctrl-C, SIGTERM and a lost terminal end a command in one line, with what goes on.

Where Slurm takes the place of a job away, the job is handed back to it, as a training does it.
`greenkd.training.stop_signals` takes the same signals over while something trains, which ends with a checkpoint.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from greenkd.slurm import hand_back

INTERRUPTED = 130
"""Exit code of whatever was stopped."""


def stop_signals() -> tuple[signal.Signals, ...]:
    """Returns the signals that ask for a stop.

    A hang-up is none where it is ignored, as `nohup` arranges. In a job of Slurm SIGUSR1 and SIGUSR2 are: they announce
    that its time is over, or its place taken.
    """
    asked = [signal.SIGINT, signal.SIGTERM]
    hang_up = getattr(signal, "SIGHUP", None)
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:
        asked.append(hang_up)
    if "SLURM_JOB_ID" in os.environ:
        asked += [signal.SIGUSR1, signal.SIGUSR2]
    return tuple(asked)


@contextlib.contextmanager
def stopping_in_one_line(command: str) -> Iterator[None]:
    """Ends the process with a line and exit code 130 where it is asked to stop; a second signal acts as it always did.

    Args:
        command: What to type to go on.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone may handle signals
        yield
        return

    previous = {number: signal.getsignal(number) for number in stop_signals()}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def stop(number: int, frame: FrameType | None) -> None:
        restore()
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in previous:
        signal.signal(number, stop)
    try:
        yield
    except KeyboardInterrupt as asked:
        stopped_by = str(asked) or "SIGINT"
        print(f"stopped by {stopped_by}; nothing on disk is lost. To go on: {command}", file=sys.stderr)
        if hand_back(stopped_by):
            print("Slurm has the job again, and will go on with it", file=sys.stderr)
        sys.exit(INTERRUPTED)
    finally:
        restore()
