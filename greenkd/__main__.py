"""The command `greenkd`: sweeps, and tools beside them. `python -m greenkd` is the same.

greenkd temperature=stochastic                    one campaign: a random τ for every batch
greenkd -m temperature=grid,stochastic            a grid of 19 τ against it, then the comparison
greenkd --help                                    what can be composed
greenkd-analysis multirun/default --report        the comparison again, with a page of figures

greenkd submit OVERRIDES                          plans a sweep and gives it to Slurm: no process stays behind
greenkd worker SWEEP                              takes trials of a sweep until none is left; start as many as you like
greenkd export FOLDER --format FORMAT             writes a student as onnx, torch or safetensors, with a model card
greenkd weights convert FILE --network NETWORK    makes a checkpoint of another program fit a network of greenkd
greenkd energy-check                              measures one training with every meter this machine has
greenkd log FOLDER logger=tensorboard             shows finished campaigns in TensorBoard, wandb, MLflow or CSV
greenkd pool FOLDER                               shows the images that a student saw in the data set's place
greenkd networks [NAME ...]                       shows what is known of the networks

`greenkd COMMAND --help` explains one of them.
"""

import difflib
import importlib
import re
import shlex
import sys
from collections.abc import Sequence

from greenkd.completion import asked_line
from greenkd.errors import GreenkdError
from greenkd.output_encoding import make_output_readable, printable
from greenkd.stops import stopping_in_one_line
from greenkd.whereabouts import tools_command

# Each command's module has a function `main(arguments)`, which may return an exit code. It is imported when it is
# chosen: most need PyTorch.
_COMMANDS = {
    "export": "greenkd.export.command",
    "submit": "greenkd.sweep.submit",
    "worker": "greenkd.sweep.worker",
    "weights": "greenkd.weights.command",
    "energy-check": "greenkd.energy.cross_check",
    "log": "greenkd.loggers.command",
    "pool": "greenkd.synthesis.look",
    "networks": "greenkd.network_cards",
}
_SWEEP = "greenkd.run"  # everything else is Hydra's
# No setting: those have a = in them, or begin with a sign.
_WORD = re.compile(r"\w[\w.-]*")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names; a sweep where it names none.

    Returns:
        The exit code: 0, or 2 where the command was not understood or could not be done, or the command's own. A stop
        exits with 130.
    """
    make_output_readable()
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = words[0] if words else ""
    if name in ("", "-h", "--help"):
        print((__doc__ or "").strip())
    if not name:
        return 0
    if (line := asked_line(words)) is not None and _complete(line):
        return 0
    if name not in _COMMANDS:
        return _sweep(words) if _WORD.fullmatch(name) is None else _no_command(name)

    try:
        with stopping_in_one_line(f"{tools_command()} {shlex.join(words)}"):
            code = importlib.import_module(_COMMANDS[name]).main(words[1:])
    except GreenkdError as error:
        print(printable(f"error: {error}"), file=sys.stderr)
        return 2
    return int(code or 0)


def _complete(line: str) -> bool:
    """Prints the commands that a line may go on with; tells whether it can go on with nothing else."""
    _, _, typed = line.lstrip().partition(" ")
    command, space, _ = typed.lstrip().partition(" ")
    if not space:
        print(*(name for name in _COMMANDS if name.startswith(command)))
    return bool(space) and command in _COMMANDS  # its files are the shell's own business


def _sweep(words: list[str]) -> int:
    return int(importlib.import_module(_SWEEP).main(words))


def _no_command(name: str) -> int:
    """Answers a word that is neither a command nor a setting."""
    meant = "".join(f" (did you mean {word}?)" for word in difflib.get_close_matches(name, _COMMANDS, n=1))
    answer = f"error: {name} is no command of greenkd{meant}; there are {', '.join(_COMMANDS)}"
    print(printable(f"{answer}. A setting has the form name=value: greenkd --help"), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
