"""`greenkd export`: the student of a finished campaign as a file for other programs, with a model card beside it.

greenkd export multirun/default/digits/…/seed0-d96224b2d1 --format onnx
greenkd export multirun/default/digits/…/seed0-d96224b2d1 --format safetensors --output tiny_cnn-digits
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from greenkd.errors import ConfigError
from greenkd.export.card import CARD, model_card
from greenkd.export.facts import StudentFacts
from greenkd.export.formats import FORMATS
from greenkd.export.graph import GraphFacts
from greenkd.export.loading import load_student
from greenkd.output_encoding import printable
from greenkd.records import make_folder, write_text
from greenkd.training.weights_file import expand

_INPUTS = ("pixels", "normalised")


def main(arguments: Sequence[str]) -> None:
    """Exports one student, as the command line says.

    Raises:
        GreenkdError: There is no student, it cannot be exported so, or the files cannot be written.
    """
    options = _parser().parse_args(arguments)
    kind = FORMATS[options.format]
    folder = expand(options.folder)
    output = expand(options.output) if options.output else folder / "export"
    path = output / kind.file

    # Everything that can be refused, before anything is captured
    if options.input is not None and not kind.has_graph:
        raise ConfigError(f"--input {options.input}: of --format {options.format} there is no graph, only weights")
    if output.suffix in {Path(other.file).suffix for other in FORMATS.values()} or output.is_file():
        raise ConfigError(f"--output {output}: give a folder; {kind.file} and {CARD} are written into it")
    if path.exists() and not options.overwrite:
        raise ConfigError(f"{path}: is there already; give --overwrite, or --output <another folder>")
    student = load_student(folder, trust=options.trust)

    make_folder(output)
    before = _files(output)
    graph = kind.write(student, path, options.input != "normalised")
    print(printable(f"written: {path}"))
    if graph is not None:
        print(printable("\n".join(_described(graph))))
    _write_card(student.facts, output, before, overwrite=options.overwrite)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="greenkd export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="a campaign's folder: multirun/<sweep>/…/seed<k>-<id>")
    parser.add_argument(
        "--format",
        required=True,
        choices=list(FORMATS),
        help="safetensors: the weights, for greenkd.load_student; onnx: a graph for any ONNX runtime; "
        "torch: a program of torch.export",
    )
    parser.add_argument("-o", "--output", metavar="DIR", help="where to write (default: <folder>/export)")
    parser.add_argument(
        "--input",
        choices=_INPUTS,
        help="what the graph takes. pixels: uint8, normalised inside (default); normalised: float32",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there already")
    parser.add_argument(
        "--trust", action="store_true", help="run a network that is not of greenkd or timm, if the folder names one"
    )
    return parser


def _files(output: Path) -> set[str]:
    """Returns the exported files that lie in a folder."""
    return {kind.file for kind in FORMATS.values() if (output / kind.file).is_file()}


def _described(graph: GraphFacts) -> list[str]:
    """Says what a graph takes and gives, a line each."""
    taken = graph.input
    lines = [f"  takes {taken['name']}: {taken['dtype']} {_shape(taken['shape'])}, {taken['meaning']}"]
    for name, output in graph.outputs.items():
        lines.append(f"  gives {name}: {output['dtype']} {_shape(output['shape'])}, {output['meaning']}")
    return lines if graph.after is None else [*lines, f"  left to do: {graph.after}"]


def _shape(shape: Sequence[object]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _write_card(facts: StudentFacts, output: Path, before: set[str], *, overwrite: bool) -> None:
    """Writes the card, or renews it; one that somebody has edited stays unless it is to be replaced."""
    path = output / CARD
    if path.exists() and not overwrite and path.read_text(encoding="utf-8") != model_card(facts, before):
        print(printable(f"kept: {path}, which was there already; --overwrite replaces it"))
        return
    write_text(path, model_card(facts, _files(output)))
    print(printable(f"written: {path}"))
