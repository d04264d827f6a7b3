"""What a command says on the terminal besides its log: listings, refusals, and hints on command lines."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import rich

from greenkd.output_encoding import printable
from greenkd.sweep.exit_codes import ExitCode


def show(text: str, **style: Any) -> None:
    """Prints text as it is: without markup, highlights or line breaks of rich's own, and without escape sequences."""
    rich.get_console().print(printable(text), markup=False, highlight=False, soft_wrap=True, **style)


def refuse(message: str) -> NoReturn:
    """Says why a command is refused, and ends the process."""
    show(f"error: {message}", style="red")
    sys.exit(ExitCode.REFUSED)


@contextlib.contextmanager
def hints() -> Iterator[None]:
    """Adds the cure where Hydra refuses a command line that looks right: `-m group=a,b group.key=…`."""
    try:
        yield
    except SystemExit as refused:
        if refused.code == 1:
            _hint_at_swept_groups(sys.argv[1:])
        raise


def _hint_at_swept_groups(words: list[str]) -> None:
    """Names the first setting that belongs to one of several options swept over, if there is one."""
    swept = {word.partition("=")[0] for word in words if "," in word.partition("=")[2]}

    for word in words:
        setting = word.partition("=")[0]
        group, dot, _ = setting.lstrip("+~").partition(".")
        if dot and group in swept:
            show(
                f"hint: {setting} is a setting of one {group} option and cannot stand beside another in one -m. "
                "Run them one after the other (one sweep name compares them), or put it into an option file of your "
                "own, as conf/temperature/grid_coarse.yaml does.",
                style="yellow",
            )
            return
