"""The script that Slurm is given: an array of workers, each of which comes again when its place is taken."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

# Options of sbatch that have a value here unless the user gives them, by every name that sbatch knows.
_OTHER_NAMES = {"-a": "--array", "-J": "--job-name", "-o": "--output", "--no-requeue": "--requeue"}
# Seconds before the end at which a worker is told: time for a step of its training, a checkpoint and the records.
_NOTICE_S = 120

_SCRIPT = """\
#!/bin/bash
{directives}

# Each job of the array is a worker: it takes trials of the sweep until none is left. How many there are changes no
# result. The signal announces the end of a job's time: a worker writes a checkpoint, and hands its job back to Slurm.
cd {folder} || exit 1
export GREENKD_COMMAND={command}
srun ${{SLURM_CPUS_PER_TASK:+--cpus-per-task=$SLURM_CPUS_PER_TASK}} {python} -m greenkd worker {sweep}
"""


def batch_script(options: Sequence[str], sweep: Path, jobs: int, command: str) -> str:
    """Returns the script.

    Args:
        options: Of sbatch, as the user gave them; each begins with a dash.
        sweep: The sweep's folder.
        jobs: How many, where the user gives no `--array`.
        command: The line to be typed to go on.
    """
    defaults = {
        "--job-name": job_name(sweep),
        "--array": f"0-{jobs - 1}",
        "--output": str(sweep.absolute() / "slurm" / "%A_%a.log"),
        "--open-mode": "append",
        "--signal": f"USR2@{_NOTICE_S}",
        "--requeue": None,
    }
    given = {_OTHER_NAMES.get(name, name) for name in map(_name_of, options)}
    ours = {name: value for name, value in defaults.items() if name not in given}
    words = [*(name if value is None else f"{name}={value}" for name, value in ours.items()), *options]

    return _SCRIPT.format(
        directives="\n".join(f"#SBATCH {_quoted(word)}" for word in words),
        folder=shlex.quote(str(Path.cwd())),
        command=shlex.quote(command),
        python=shlex.quote(sys.executable),
        sweep=shlex.quote(str(sweep)),
    )


def job_name(sweep: Path) -> str:
    """Returns the name under which `squeue` shows a sweep's jobs."""
    return f"greenkd-{sweep.name}"


def _quoted(word: str) -> str:
    """Returns an option as a line of a script holds it: its value in quotation marks where it has a space."""
    name, is_given, value = word.partition("=")
    return f'{name}="{value}"' if is_given and " " in value else word


def _name_of(option: str) -> str:
    """Returns an option's name: of `--time=4:00:00`, `--time 4:00:00`, `-t4:00:00`."""
    name = option.partition("=")[0].split()[0]
    return name if name.startswith("--") else name[:2]
