"""The command line: `python -m analysis multirun/<sweep>`, also installed as `greenkd-analysis`."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import analysis
from analysis.frames.side_by_side import usable_processes
from greenkd.errors import StorageError
from greenkd.output_encoding import make_output_readable, printable
from greenkd.records.place import address_problem
from greenkd.stops import stopping_in_one_line
from greenkd.whereabouts import analysis_command

_DESCRIPTION = """\
Is choosing τ worth its energy? Reads the records of one or several sweeps and prints, per data set, teacher, student
and objective: what each strategy cost, what score it bought, and a verdict with its uncertainty. Writes
comparison.csv, comparison.md, comparison.tex and verdict.csv into the sweep's folder. Nothing is trained."""

_EPILOG = """\
examples
  python -m analysis multirun/default                      the comparison table and the verdict
  python -m analysis multirun/default --report             + report.html, one page that needs no network, and figures/
  python -m analysis multirun/a multirun/b --out both      two sweeps together, files into both/
  python -m analysis multirun/default --margin 0.2         a gain of 0.2 points is worth paying for
  python -m analysis multirun/default --baseline fixed     multiples and verdicts against fixed τ
  python -m analysis multirun/default --group-by dataset   one table per data set
  python -m analysis multirun/default --format latex       the tables as LaTeX on standard output (also md, csv, html)
  python -m analysis multirun/default --country FRA --pue 1.2 --price 0.25
                                                           the same joules in France, in a data centre, at 0.25 per kWh
  python -m analysis multirun/default --intensity 56       any other carbon intensity, g CO2eq per kWh
  python -m analysis multirun/default --watch              how far is it? drawn anew while campaigns run
  python -m analysis multirun/default --verify             are all files what was written? no tables

exit codes: 0, also for a half-finished sweep, whose tables say what is missing; 2 where there is nothing to read or an
option is wrong; 3 where --verify finds a file that is not what was written; 130 where it was stopped."""

_CHANGED = 3

_FORMATS = ("none", "terminal", "md", "latex", "csv", "html")
_GROUPS = ("dataset", "teacher", "student", "objective", "setting_id")


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the options, each with its help."""
    parser = argparse.ArgumentParser(
        prog=analysis_command(),
        description=_DESCRIPTION,
        epilog=_EPILOG.replace("python -m analysis", analysis_command()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", type=_folder, nargs="+", metavar="FOLDER", help="a sweep's folder, multirun/<sweep>")
    parser.add_argument(
        "--watch",
        action="store_true",
        help="show how far a running sweep is, until every campaign has ended; Ctrl-C ends the view alone",
    )
    parser.add_argument("--report", action="store_true", help="write report.html and figures/ as well")
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        default="terminal",
        help="how tables are printed; none: files only (default: %(default)s)",
    )
    parser.add_argument(
        "--group-by",
        type=_group_names,
        default=_GROUPS,
        metavar="NAMES",
        help=f"one table per combination of these, separated by commas: {', '.join(_GROUPS)} (default: all of them)",
    )
    parser.add_argument(
        "--margin",
        type=_margin,
        default=0.5,
        metavar="POINTS",
        help="smallest gain in the test score worth paying for, percentage points (default: %(default)s)",
    )
    parser.add_argument(
        "--baseline",
        default="stochastic",
        metavar="STRATEGY",
        help="strategy that multiples and verdicts refer to (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=_folder, metavar="FOLDER", help="where files go (default: the first sweep's folder)"
    )
    parser.add_argument(
        "--mix-meters", action="store_true", help="set energies of different meters or methods in one ratio"
    )

    parser.add_argument(
        "--verify",
        action="store_true",
        help="hold every file against its checksums, those of the teachers' cache too, and name each that was changed "
        "since it was written; nothing else is done",
    )

    pricing = parser.add_argument_group("re-pricing: grams and money anew, from the joules on record")
    pricing.add_argument("--country", metavar="ISO", help="carbon intensity of a country: FRA, DEU, BGD, …")
    pricing.add_argument("--intensity", type=float, metavar="G", help="carbon intensity, g CO₂eq per kWh")
    pricing.add_argument("--pue", type=float, metavar="X", help="power usage effectiveness, 1 or more")
    pricing.add_argument("--price", type=float, metavar="P", help="price per kWh, any currency; adds a column")
    return parser


def _folder(text: str) -> Path:
    problem = address_problem(text)
    if problem is not None:
        raise argparse.ArgumentTypeError(f"{text!r}: {problem}")
    return Path(text)


def _group_names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in _GROUPS]

    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{text!r}: choose from {', '.join(_GROUPS)}, separated by commas")
    return names


def _margin(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0

    if not 0 <= value < 100:
        raise argparse.ArgumentTypeError(f"{text!r}: percentage points, a number from 0 to 100, such as 0.5")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the analysis; returns the exit code."""
    make_output_readable()
    options = make_parser().parse_args(arguments)
    typed = sys.argv[1:] if arguments is None else arguments

    try:
        with stopping_in_one_line(f"{analysis_command()} {shlex.join(typed)}"):
            if options.watch:
                analysis.watch(options.folders)
                return 0
            return _verify(options.folders) if options.verify else _run(options)
    except (analysis.AnalysisError, StorageError) as error:
        print(printable(f"error: {error}"), file=sys.stderr)
        return 2
    except OSError as error:
        print(
            printable(f"error: {error.filename}: {error.strerror}; choose another folder with --out"), file=sys.stderr
        )
        return 2


def _verify(folders: Sequence[Path]) -> int:
    """Prints what is not as it was written, a line each, and how much was looked at; returns the exit code."""
    found = analysis.verify(folders)
    for problem in found.problems:
        print(printable(f"{problem.where}: {problem.what}"))

    unchecked = f", {found.unchecked} of them without checksums (an earlier version's)" if found.unchecked else ""
    outcome = f"{len(found.problems)} not as written" if found.problems else "all as written"
    campaigns = "1 campaign" if found.campaigns == 1 else f"{found.campaigns} campaigns"
    print(f"verified: {campaigns}, {found.files} files{unchecked}: {outcome}")
    return _CHANGED if found.problems else 0


def _run(options: argparse.Namespace) -> int:
    # Frames: what is on record.
    pricing = analysis.make_pricing(
        country=options.country, intensity=options.intensity, pue=options.pue, price=options.price
    )
    sweep = analysis.load(options.folders, pricing=pricing, processes=usable_processes())

    # Results: what the records say.
    comparison = analysis.compare(sweep, baseline=options.baseline, mix_meters=options.mix_meters)
    judged = analysis.verdicts(
        comparison, margin=options.margin, baseline=options.baseline, mix_meters=options.mix_meters
    )

    # Views: how it is shown.
    folder = options.out or options.folders[0]
    tables = analysis.comparison_tables(sweep, comparison, baseline=options.baseline, group_by=options.group_by)
    written = analysis.write_comparison(comparison, tables, folder)
    written.append(analysis.write_verdicts(judged, folder))
    analysis.write_looks(sweep, judged)
    analysis.print_results(comparison, tables, judged, options.format, margin=options.margin)
    if options.report:
        written.append(
            analysis.write_report(
                sweep, comparison, folder, judged=judged, baseline=options.baseline, margin=options.margin
            )
        )

    print(printable(f"written: {', '.join(map(str, written))}"), file=sys.stderr)
    return 0
