"""What TAB knows beyond Hydra's own completion.

That is: several options of a group, as in `-m temperature=grid,st`, and a folder of configurations that the line names.
The shell asks with `-sc query=bash`, and gives the line so far in COMP_LINE.
"""

import contextlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

_LINE = "COMP_LINE"
# The last word, where options are chosen already: temperature=grid,st
_SEVERAL = re.compile(r"(?P<before>.*\s)(?P<key>[\w/@]+)=(?P<chosen>\w+(?:,\w+)*),(?P<begun>\w*)")
_CONFIG_DIR = re.compile(r"\s(?:--config-dir|-cd)[\s=](?P<folder>\S+)\s")


def asked_line(words: Sequence[str]) -> str | None:
    """Returns the line that a shell wants to be completed; None where it asks for nothing.

    Args:
        words: The command line of this process.
    """
    is_query = any(word.startswith("query=") for word in words) and {"-sc", "--shell-completion"} & set(words)
    return os.environ.get(_LINE) if is_query else None


def with_config_dir(words: Sequence[str]) -> list[str]:
    """Returns a command line, with the folder of configurations of the line that it is to complete."""
    found = _CONFIG_DIR.search(asked_line(words) or "")
    if found is None or not Path(found["folder"]).expanduser().is_dir():
        return list(words)
    return [*words, f"--config-dir={Path(found['folder']).expanduser()}"]


@contextlib.contextmanager
def completing_lists(words: Sequence[str]) -> Iterator[None]:
    """Lets the block complete the last of several options, and prints it behind those that are chosen.

    Args:
        words: The command line of this process; one that completes nothing runs as it is.
    """
    several = _SEVERAL.fullmatch(asked_line(words) or "")
    if several is None:
        yield
        return

    os.environ[_LINE] = f"{several['before']}{several['key']}={several['begun']}"
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        yield

    prefix, chosen = f"{several['key']}=", several["chosen"].split(",")
    options = [word.removeprefix(prefix) for word in shown.getvalue().split() if word.startswith(prefix)]
    print(*(f"{prefix}{several['chosen']},{option}" for option in options if option not in chosen))
