"""The command line: `python -m analysis multirun/<sweep>`."""

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Runs the analysis; returns the exit code: 0, also for a half-finished sweep, 2 where there is nothing to read."""
    parser = argparse.ArgumentParser(prog="python -m analysis", description="Compares temperature strategies.")
    parser.add_argument("folder", type=Path, help="a sweep's folder, multirun/<sweep>")
    options = parser.parse_args(arguments)
    from analysis.load import AnalysisError  # noqa: PLC0415  pandas takes a second, and --help should not
    from analysis.present import print_comparison  # noqa: PLC0415

    try:
        print_comparison(options.folder)
    except AnalysisError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
