"""What a command says on the terminal besides its log: listings and refusals."""

import sys
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
