"""The command `greenkd`: tools beside run.py. `python -m greenkd` is the same.

greenkd submit OVERRIDES                          plans a sweep and gives it to Slurm: no process stays behind
greenkd worker SWEEP                              takes trials of a sweep until none is left; start as many as you like
greenkd weights convert FILE --network NETWORK    makes a checkpoint of another program fit a network of greenkd
greenkd energy-check                              measures one training with every meter this machine has
greenkd pool FOLDER                               shows the images that a student saw in the data set's place
"""

import importlib
import shlex
import sys
from collections.abc import Sequence

from greenkd.errors import GreenkdError
from greenkd.output_encoding import make_output_readable, printable
from greenkd.stops import stopping_in_one_line

# Each command's module has a function `main(arguments)`, which may end the process with an exit code of its own. It is
# imported when it is chosen: most need PyTorch.
_COMMANDS = {
    "submit": "greenkd.sweep.submit",
    "worker": "greenkd.sweep.worker",
    "weights": "greenkd.weights.command",
    "energy-check": "greenkd.energy.cross_check",
    "pool": "greenkd.synthesis.look",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names.

    Returns:
        The exit code: 0, or 2 where the command was not understood or could not be done. A stop exits with 130.
    """
    make_output_readable()
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        print((__doc__ or "").strip())
        return 0
    if name not in _COMMANDS:
        print(f"error: {name} is no command of greenkd; there are {', '.join(_COMMANDS)}", file=sys.stderr)
        return 2

    try:
        with stopping_in_one_line(shlex.join(["greenkd", name, *rest])):
            importlib.import_module(_COMMANDS[name]).main(rest)
    except GreenkdError as error:
        print(printable(f"error: {error}"), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
