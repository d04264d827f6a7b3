"""A sweep: what one command line asks for. Light to import: torch and pandas come when a command needs them."""

from greenkd.sweep.command import SweepCallback, exit_code, run_job
from greenkd.sweep.exit_codes import ExitCode
from greenkd.sweep.failed_writes import refusing_failed_writes
from greenkd.sweep.hints import hints
from greenkd.sweep.passwords import hiding_secrets, refuse_typed_password
from greenkd.sweep.search_words import quote_functions

__all__ = [
    "ExitCode",
    "SweepCallback",
    "exit_code",
    "hiding_secrets",
    "hints",
    "quote_functions",
    "refuse_typed_password",
    "refusing_failed_writes",
    "run_job",
]
