"""`greenkd log <sweep> logger=…`: logs campaigns anew, from their records; nothing is trained."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from greenkd.errors import ConfigError, StorageError
from greenkd.loggers.options import TARGETS, read_loggers
from greenkd.loggers.reader import RunReader
from greenkd.output_encoding import printable
from greenkd.records import find_campaigns

_EPILOG = """\
examples
  greenkd log multirun/default logger=tensorboard
  greenkd log multirun/default logger=[wandb,csv] logger.wandb.project=mine
A run that a logger has already is brought up to date, not written twice."""


def main(arguments: Sequence[str]) -> None:
    """Logs every campaign below a folder.

    Raises:
        GreenkdError: There is no campaign, or a logger is not to be had or fails.
    """
    parser = argparse.ArgumentParser(
        prog="greenkd log", description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a sweep's folder, or a campaign's")
    parser.add_argument("words", nargs="+", metavar="logger=NAME", help="as python run.py takes them")
    options = parser.parse_args(arguments)

    loggers = read_loggers(_read_words(options.words))
    folders = list(find_campaigns(options.folder))
    if not folders:
        raise StorageError(f"{options.folder}: there is no campaign below; give a sweep's folder, multirun/<sweep>")

    written = 0
    for folder in folders:
        for run in RunReader(folder).runs():
            written += 1
            for name, logger in loggers.items():
                try:
                    logger.write(run)
                except Exception as error:  # a client's, or its server's: of any kind
                    raise StorageError(f"logger={name}: {type(error).__name__}: {error}") from error
    for logger in loggers.values():
        logger.close()
    print(printable(f"logged: {written} runs of {len(folders)} campaigns to {', '.join(loggers)}"))


def _read_words(words: Sequence[str]) -> dict[str, Any]:
    """Composes the group `logger` of words as Hydra takes them: `logger=[a,b]`, `logger.a.key=value`."""
    chosen = [word for word in words if word.startswith("logger=")]
    others = [word for word in words if word not in chosen]
    names = [name.strip() for word in chosen for name in word.partition("=")[2].strip("[]").split(",")]
    unknown = [name for name in names if name not in TARGETS]
    if unknown or not names:
        what = f"logger={unknown[0]}" if unknown else f"{others[0]}: no logger is chosen"
        raise ConfigError(f"{what}: give logger=<name>, of {', '.join(TARGETS)}; several as logger=[tensorboard,csv]")

    try:
        given = OmegaConf.to_container(OmegaConf.from_dotlist(list(others)))
    except (OmegaConfBaseException, ValueError) as error:
        raise ConfigError(f"{' '.join(others)}: {error}") from error
    settings = given.get("logger") if isinstance(given, dict) and given.keys() <= {"logger"} else None
    if others and (not isinstance(settings, dict) or not settings.keys() <= set(names)):
        raise ConfigError(
            f"{others[0]}: give settings of the chosen loggers, as in logger.{names[0]}.<setting>=<value>"
        )
    return {name: {"_target_": TARGETS[name], **((settings or {}).get(name) or {})} for name in names}
