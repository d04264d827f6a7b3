"""greenkd submit: plans a sweep, and gives it to Slurm as an array of workers; no process stays behind.

greenkd submit --partition=gpu --gpus=1 --time=4:00:00 temperature=grid,stochastic seed=0,1,2
greenkd submit --print …       prints the script, and leaves it to you

What begins with a dash goes to sbatch as it is; what does not is what `python run.py -m` takes, and so is --config-dir.
Without --array there are as many jobs as trials to be run, 16 at most. Campaigns that are done are left out: the same
command goes on with what is left.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import rich

from greenkd.configuration import CONF, register_configuration
from greenkd.errors import ConfigError, StorageError
from greenkd.records import write_text
from greenkd.records.folders import make_folder
from greenkd.sweep.batch_script import batch_script, job_name
from greenkd.sweep.command import plan_sweep, refuse_password
from greenkd.sweep.failed_writes import refusing
from greenkd.sweep.jobs import compose_command
from greenkd.sweep.passwords import refuse_typed_password
from greenkd.sweep.search_words import quote_functions
from greenkd.sweep.terminal import show
from greenkd.whereabouts import analysis_command, sweep_command, tools_command, typed_line

_MOST_JOBS = 16
_HYDRAS_OTHER = ("--config-name", "-cn", "--config-path", "-cp", "--cfg", "--info", "--resolve")


def main(arguments: Sequence[str]) -> None:
    """Plans a sweep and submits it.

    Args:
        arguments: Of the command line, behind `submit`.

    Raises:
        ConfigError: The command line cannot be composed.
        StorageError: sbatch is not there, or refuses the script.
    """
    if not arguments or {"-h", "--help"} & set(arguments):
        print((__doc__ or "").strip())
        return

    prints, options, overrides = read_words(read_hydras_options(arguments))
    if prints:
        rich.reconfigure(stderr=True)  # the script alone is printed to where it can be piped

    refuse_typed_password(overrides)

    # The plan
    register_configuration()
    with refusing():
        sweep, trials = plan_sweep(*compose_command(CONF, quote_functions(overrides), refuse_password))
    if not trials:
        show(f"nothing is left to do. Compare: {analysis_command()} {sweep}")
        return

    # The script
    make_folder(sweep / "slurm")  # for the logs: Slurm makes no folder
    script = batch_script(options, sweep, min(trials, _MOST_JOBS), typed_line())
    if prints:
        print(script, end="")
        return
    file = sweep / "slurm" / "workers.sh"
    write_text(file, script)
    show(
        f"{_submit(file)}: {file}\n"
        f"  watch:    squeue --me --name={job_name(sweep)}; {tools_command()} worker {sweep} --list\n"
        f"  end:      scancel --name={job_name(sweep)}\n"
        f"  go on:    the same command\n"
        f"  compare:  {analysis_command()} {sweep}"
    )


def read_words(arguments: Sequence[str]) -> tuple[bool, list[str], list[str]]:
    """Sorts the words of a command line.

    Args:
        arguments: The words behind `submit`.

    Returns:
        Whether the script is only to be printed; options of sbatch, each with its value; overrides for Hydra.

    Raises:
        ConfigError: A word is neither.
    """
    prints, takes_value = False, False
    options: list[str] = []
    overrides: list[str] = []
    for word in arguments:
        is_override = "=" in word or word.startswith("~")
        if word == "--print":
            prints = True
        elif word in ("-m", "--multirun"):
            pass  # run.py's, out of habit
        elif word.startswith("-"):
            options.append(word)
        elif is_override:
            overrides.append(word)
        elif takes_value:
            options[-1] += f"={word}" if options[-1].startswith("--") else f" {word}"
        else:
            raise ConfigError(f"{word}: give group=option or key=value, and options of sbatch with a dash")

        takes_value = word.startswith("-") and "=" not in word and word not in ("--print", "-m", "--multirun")
    return prints, options, overrides


def read_hydras_options(arguments: Sequence[str]) -> list[str]:
    """Replaces `--config-dir` by what it stands for, since Hydra's application is not started.

    Args:
        arguments: The words behind `submit`.

    Returns:
        The words, with an override in its place.

    Raises:
        ConfigError: It names no folder, or another option of Hydra is given, which would end up with sbatch.
    """
    replaced: list[str] = []
    words = iter(arguments)
    for word in words:
        name, is_given, value = word.partition("=")
        if name in _HYDRAS_OTHER:
            raise ConfigError(f"{name}: is for {sweep_command()}; of its options submit takes --config-dir alone")
        if name not in ("--config-dir", "-cd"):
            replaced.append(word)
            continue

        folder = Path(value if is_given else next(words, "")).expanduser()
        if not folder.is_dir() or folder == Path():
            raise ConfigError(f"{name}: give a folder of configurations; {folder} is none")
        replaced.append(f"hydra.searchpath=['file://{folder.absolute()}']")
    return replaced


def _submit(script: Path) -> str:
    """Gives the script to Slurm, and returns what sbatch says."""
    if shutil.which("sbatch") is None:
        raise StorageError(
            f"sbatch is not installed here; type the command on a login node of the cluster, or sbatch {script} there"
        )
    done = subprocess.run(["sbatch", str(script)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"sbatch refuses {script}: {done.stderr.strip()}")
    return done.stdout.strip()
