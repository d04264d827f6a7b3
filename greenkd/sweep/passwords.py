"""Passwords that would be written to files or shown on the terminal.

Hydra keeps every configuration and command line as it was given, and shows them when asked to (`--cfg`, `--info`,
`--help`, completion). A password that was typed is refused; others are shown as `***`.
"""

import contextlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from hydra._internal.utils import get_args
from omegaconf import DictConfig, OmegaConf

from greenkd.identity import flatten
from greenkd.sweep.terminal import refuse

_PASSWORD = re.compile(r"(?<=://)(?P<user>[^/@:\s]*:)\S+(?=@)|(?P<key>[?&]password=)[^&\s'\"]+")
# Variables of the environment whose values are nobody else's business, and how short one may be to be told from a word.
_SECRET_NAME = re.compile(r"PASSWORD|PASSWD|TOKEN|SECRET|API_KEY|ACCESS_KEY", re.IGNORECASE)
_SECRET_LENGTH = 6

_PROBLEM = "holds a password, which would be written to Hydra's files and to the records; "
_STORAGE_CURE = (
    "export GREENKD_STORAGE='postgresql://user:password@host/name' and give 'storage=${oc.env:GREENKD_STORAGE}', "
    "or leave the password to PGPASSWORD or ~/.pgpass"
)
_LOGGER_CURE = (
    "leave it out, and give it by the environment: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, WANDB_API_KEY"
)


def password_problem(config: DictConfig) -> str | None:
    """Returns why a configuration must not be written down as it stands; None if it may.

    Args:
        config: As composed, interpolations not resolved: `${oc.env:NAME}` is written as these words.
    """
    given: Any = OmegaConf.to_container(config, resolve=False)
    values = [("storage", given["storage"]), *flatten(given.get("logger") or {}, "logger.")]
    for key, value in values:
        if isinstance(value, str) and _PASSWORD.search(value):
            return _problem(key)
    return None


def refuse_typed_password(words: Sequence[str]) -> None:
    """Ends the process where a typed setting holds a password: whatever the command does, Hydra would repeat it."""
    for word in words:
        if _PASSWORD.search(word):
            refuse(_problem(without_secrets(word.partition("=")[0])))


def _problem(key: str) -> str:
    cure = _LOGGER_CURE if key.lstrip("+").startswith("logger") else _STORAGE_CURE
    return f"{key}: {_PROBLEM}{cure}"


def without_secrets(text: str) -> str:
    """Returns a text with `***` for passwords in addresses, and for values of variables that are named as secrets."""
    text = _PASSWORD.sub(lambda found: f"{found['user'] or found['key']}***", text)

    values = {value for name, value in os.environ.items() if _SECRET_NAME.search(name)}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= _SECRET_LENGTH:
            text = text.replace(value, "***")
    return text


@contextlib.contextmanager
def hiding_secrets(words: Sequence[str]) -> Iterator[None]:
    """Prints what the block shows of a configuration without its secrets.

    Args:
        words: The command line. One that runs campaigns prints as it goes on.
    """
    asked = get_args(list(words))
    if not (asked.cfg or asked.info or asked.help or asked.hydra_help or asked.shell_completion):
        yield
        return

    shown = io.StringIO()
    try:
        with contextlib.redirect_stdout(shown):
            yield
    finally:
        print(without_secrets(shown.getvalue()), end="")
