"""greenkd worker: takes trials from any unfinished campaign of a sweep until none is left.

greenkd worker SWEEP           in a second terminal, a job of sbatch --array, a container: as many as you like
greenkd worker SWEEP --list    how far every campaign is; trains nothing

SWEEP is the folder that `greenkd submit` or `python run.py` has made: multirun/<name>.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from greenkd.collector import collect_rarely
from greenkd.sweep.command import open_worker
from greenkd.sweep.failed_writes import refusing
from greenkd.sweep.terminal import show
from greenkd.whereabouts import typed_line


def main(arguments: Sequence[str]) -> None:
    """Runs one worker, and ends the process with its exit code.

    Args:
        arguments: Of the command line, behind `worker`.

    Raises:
        ConfigError: The folder holds no planned campaign.
    """
    parser = argparse.ArgumentParser(
        prog="greenkd worker", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sweep", type=Path, metavar="SWEEP", help="the sweep's folder, multirun/<name>")
    parser.add_argument("--list", action="store_true", help="say how far every campaign is, and train nothing")
    options = parser.parse_args(arguments)

    collect_rarely()
    with refusing():
        worker = open_worker(options.sweep, typed_line())
        if options.list:
            show(worker.states())
            return
        sys.exit(worker.run())
