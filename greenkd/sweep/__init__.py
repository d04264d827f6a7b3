"""A sweep: what one command line asks for. Light to import: torch and pandas come when a job needs them."""

from greenkd.sweep.command import ExitCode, SweepCallback, exit_code, hints, run_job

__all__ = ["ExitCode", "SweepCallback", "exit_code", "hints", "run_job"]
