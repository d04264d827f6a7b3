"""Which machine, job and command this process is part of, among all that write to one folder."""

import functools
import os
import re
import secrets
import shlex
import socket
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_RUN_PY = Path(__file__).parents[1] / "run.py"  # of a checkout
_COMMAND = "GREENKD_COMMAND"  # what was typed, for the processes that a launcher starts
# Schedulers, by the variable that holds the number of a job.
_JOB_VARIABLES = {"SLURM_JOB_ID": "slurm", "PBS_JOBID": "pbs", "LSB_JOBID": "lsf"}
# Of a job's place in its array: Slurm's, Kubernetes' (an Indexed Job), PBS', LSF's.
_ARRAY_VARIABLES = ("SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX", "PBS_ARRAY_INDEX", "LSB_JOBINDEX")


class SchedulerJob(NamedTuple):
    """A job of a scheduler."""

    scheduler: str
    number: str


@functools.cache
def this_host() -> str:
    """Returns the machine's name and the start of its boot's identifier: process numbers repeat beyond them."""
    try:
        boot = _BOOT.read_text(encoding="ascii")[:8]
    except OSError:
        boot = ""
    return f"{socket.gethostname()}/{boot}".rstrip("/")


def process_name() -> str:
    """Returns a name for this process's files that no other has: `<host>-<pid>-<six digits>`.

    The digits are drawn: containers of one name may give out the same process numbers.
    """
    return _process_name(os.getpid())


@functools.cache
def _process_name(pid: int) -> str:
    host = re.sub(r"[^A-Za-z0-9-]+", "-", socket.gethostname().partition(".")[0])[:48]
    return f"{host or 'host'}-{pid}-{secrets.token_hex(3)}"


def is_this_process(pid: int | None, host: str | None) -> bool:
    """Tells whether a record's row was written under this process's number, on this machine since it was started.

    Args:
        pid: Of the row.
        host: Of the row; None in those of versions that did not say.
    """
    return pid == os.getpid() and host in (None, this_host())


def scheduler_job() -> SchedulerJob | None:
    """Returns the scheduler's job that this process is part of, if it is."""
    for variable, scheduler in _JOB_VARIABLES.items():
        if number := os.environ.get(variable):
            return SchedulerJob(scheduler, number)
    return None


def number_among_workers() -> int:
    """Returns a number in which workers that were started together differ, as far as it can be known."""
    for variable in _ARRAY_VARIABLES:
        if (number := os.environ.get(variable, "")).isdecimal():
            return int(number)
    return zlib.crc32(f"{this_host()} {os.getpid()}".encode())


def typed_line() -> str:
    """Returns the command line that a user typed; in a launcher's process that of the command that it belongs to."""
    return os.environ.get(_COMMAND) or shlex.join([*_program(), *sys.argv[1:]])


def note_typed_line() -> None:
    """Notes this process's command line for the processes that it starts, here or through a launcher."""
    os.environ.pop(_COMMAND, None)
    os.environ[_COMMAND] = typed_line()


def sweep_command() -> str:
    """Returns what messages tell a user to type: `greenkd`, or `python run.py` to one who works in a checkout."""
    return "greenkd" if _is_called_by_name() else "python run.py"


def analysis_command() -> str:
    """Returns what messages call the analysis: `greenkd-analysis`, or `python -m analysis` to one in a checkout."""
    return "greenkd-analysis" if _is_called_by_name() else "python -m analysis"


def tools_command() -> str:
    """Returns what messages call the tools beside a sweep: `greenkd`, or `python -m greenkd` to one in a checkout."""
    return "greenkd" if _is_called_by_name() else "python -m greenkd"


def _is_called_by_name() -> bool:
    """Tells whether the command was typed by the name that an installation gives it, or is there by no other."""
    typed = shlex.split(os.environ.get(_COMMAND, ""))
    program = typed[0] if typed else _program()[0]
    return program.startswith("greenkd") or not _RUN_PY.is_file()


def _program() -> list[str]:
    """Returns the words that started this process."""
    path = Path(sys.argv[0])
    if path.name == "__main__.py":
        return ["python", "-m", path.parent.name]
    return [path.stem] if path.stem.startswith("greenkd") else ["python", path.name]
