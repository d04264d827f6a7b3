"""The command line of the studies: `python -m studies run studies/cpu-2026`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from greenkd.errors import GreenkdError
from greenkd.output_encoding import make_output_readable, printable
from studies.check import check_study
from studies.figure import write_figure
from studies.running import estimate_study, pack_sweep, run_study
from studies.study import Study, read_study
from studies.tables import markers, study_summary, study_tables, write_between

_EPILOG = """\
examples
  python -m studies run studies/cpu-2026                         every sweep whose records are not there yet; goes on
  python -m studies run studies/cpu-2026 --only digits           one of them
  python -m studies run studies/cpu-2026 data_dir=/data          settings are handed on to each command
  python -m studies estimate studies/cpu-2026                    what they will cost, before it is spent
  python -m studies check studies/cpu-2026                       does a part of it still give the same?
  python -m studies tables studies/cpu-2026 --write docs/study.md
  python -m studies summary studies/cpu-2026 --write README.md
  python -m studies figure studies/cpu-2026 --write docs/figures/study-gains.svg
  python -m analysis studies/cpu-2026 --report                   reads the records; nothing is trained"""


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the options."""
    parser = argparse.ArgumentParser(
        prog="python -m studies",
        description="Runs studies that are published with their records, sweep by sweep.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=("run", "estimate", "pack", "check", "tables", "summary", "figure"))
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the study's folder")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings for every command of the study")
    parser.add_argument("--only", action="append", default=[], metavar="SWEEP", help="this sweep; may be repeated")
    parser.add_argument(
        "--write",
        type=Path,
        metavar="FILE",
        help="tables, summary: the text to renew them in; figure: the SVG",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    make_output_readable()
    options = make_parser().parse_intermixed_args(arguments)
    try:
        study = read_study(options.folder)
        return _act(options, study)
    except GreenkdError as error:
        print(printable(f"error: {error}"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return 130


def _act(options: argparse.Namespace, study: Study) -> int:
    unknown = [name for name in options.only if name not in study.plan.sweeps]
    if unknown:
        print(f"error: --only {unknown[0]}: choose from {', '.join(study.plan.sweeps)}", file=sys.stderr)
        return 2

    if options.action == "run":
        return run_study(study, options.only, options.overrides)
    if options.action == "estimate":
        return estimate_study(study, options.only, options.overrides)
    if options.action == "check":
        return check_study(study, options.overrides)

    if options.action == "pack":
        for sweep in options.only or study.plan.sweeps:
            pack_sweep(study, sweep)
    elif options.action == "figure":
        print(write_figure(study, options.write or Path("study-gains.svg")))
    else:
        content = study_tables(study) if options.action == "tables" else study_summary(study)
        if options.write is None:
            print(content)
        else:
            write_between(options.write, markers(study, options.action), content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
