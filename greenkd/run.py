"""Compares ways of choosing the distillation temperature τ, with every joule on record: what Hydra starts.

`greenkd` and `python run.py` come here with the words that were typed. Configurations lie in conf/, results under the
current folder.
"""

import sys
from collections.abc import Sequence

import hydra
from omegaconf import DictConfig

from greenkd.collector import collect_rarely
from greenkd.completion import completing_lists, with_config_dir
from greenkd.configuration import CONF, register_configuration
from greenkd.output_encoding import make_output_readable
from greenkd.stops import stopping_in_one_line
from greenkd.sweep import (
    exit_code,
    hiding_secrets,
    hints,
    quote_functions,
    refuse_typed_password,
    refusing_failed_writes,
    run_job,
)
from greenkd.whereabouts import note_typed_line, typed_line

register_configuration()


# The module's name is Hydra's name of the job: a campaign's log is run.log.
@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def _run_campaigns(config: DictConfig) -> str:
    """Runs one campaign; Hydra calls this once per job."""
    return run_job(config)


def main(arguments: Sequence[str] | None = None) -> int:
    """Carries out one command line.

    Args:
        arguments: Its words; None: those of this process.

    Returns:
        The exit code. A refusal, a stop, and Hydra's own errors end the process with theirs.
    """
    make_output_readable()
    collect_rarely()
    if arguments is not None:
        sys.argv[1:] = arguments
    refuse_typed_password(sys.argv[1:])
    note_typed_line()

    words = sys.argv[1:] = with_config_dir(quote_functions(sys.argv[1:]))
    with (
        hints(),
        refusing_failed_writes(),
        stopping_in_one_line(typed_line()),
        hiding_secrets(words),
        completing_lists(words),
    ):
        _run_campaigns()
    return exit_code()
