"""What is known of each network without building it: its card, read from the source of greenkd/models.

A network is declared once, by the decorator `@register_network(...)` above its function. Its card is needed before
anything is trained: Hydra lists the options of `student` and `teacher` for `--help` and for a mistyped name, and
importing PyTorch takes a second. So the declarations are read here from the source, without importing it; a test holds
them against those that the import registers.

greenkd networks                    every network in one line
greenkd networks resnet20 tiny_cnn  the cards of these two
"""

import argparse
import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from greenkd.whereabouts import sweep_command

PROVIDED = ("num_classes", "in_channels", "image_size", "anchors")
"""Arguments of a network that come from the data set and are no part of its option."""

_MEASURES = {"classification": "% on CIFAR-100 alone", "detection": "mAP on VOC 2007 alone"}
_MODELS = Path(__file__).parent / "models"


@dataclass(frozen=True, kw_only=True)
class NetworkCard:
    """One network: what it is, its size, what it is known to reach, and what to try it with.

    Args:
        name: The function's name in `greenkd.models`, and the option's in `student=` and `teacher=`.
        description: The function's docstring; its first line says what the network is.
        arguments: The function's arguments beyond those that the data set provides, with their defaults.
        parameters: Trainable numbers at `input_shape` and `num_classes`.
        macs: Multiply-accumulates of one image's forward pass at `input_shape` and `num_classes`.
        teacher: A teacher to try the network with as student.
        student: A student to try the network with as teacher; further overrides may follow.
        dataset: The data set to try both on.
        task: What it learns, `classification` or `detection`.
        anchors: The preset that `parameters` and `macs` of a detector are counted with.
        input_shape: Channels, height and width of the image that `parameters` and `macs` are counted with.
        num_classes: Classes that they are counted with.
        accuracy: What is published for the network trained without a teacher, in per cent, by source: top-1 accuracy on
            CIFAR-100, or mAP on the test part of VOC 2007.
        differences: What the code behind these accuracies does otherwise; empty where nothing is known.
    """

    name: str
    description: str
    arguments: Mapping[str, object]
    parameters: int
    macs: int
    teacher: str
    student: str
    dataset: str = "cifar100"
    task: str = "classification"
    anchors: str = ""
    input_shape: tuple[int, int, int] = (3, 32, 32)
    num_classes: int = 100
    accuracy: Mapping[str, float] = field(default_factory=dict)
    differences: str = ""

    @property
    def summary(self) -> str:
        """What the network is, in one sentence."""
        return self.description.splitlines()[0]

    @property
    def commands(self) -> tuple[str, str]:
        """Two commands to start from: the network as student, and as teacher."""
        anchors = f" dataset.anchors={self.anchors}" if self.anchors else ""
        start = f"{sweep_command()} dataset={self.dataset}{anchors}"
        return (
            f"{start} teacher={self.teacher} student={self.name}",
            f"{start} teacher={self.name} student={self.student}",
        )

    def option(self) -> dict[str, object]:
        """Returns what `student=<name>` puts into the configuration."""
        return {"name": self.name, "_target_": f"greenkd.models.{self.name}", **self.arguments}

    def __str__(self) -> str:
        channels, height, width = self.input_shape
        anchors = f", anchors {self.anchors}" if self.anchors else ""
        size = f"{channels}×{height}×{width}, {self.num_classes} classes{anchors}"
        lines = [
            self.name,
            *self.description.splitlines(),
            "",
            *self.commands,
            f"{self.parameters:,} parameters, {_megas(self.macs)} MMAC ({size})",
            *(f"{percent:.2f} {_MEASURES[self.task]} ({source})" for source, percent in self.accuracy.items()),
        ]

        if self.differences:
            lines.append(f"Differences from the source: {self.differences}")

        if self.arguments:
            settings = (f"student.{argument}={default}" for argument, default in self.arguments.items())
            lines.append(f"Its own settings, with their defaults: {' '.join(settings)}")

        return "\n    ".join(lines).replace("\n    \n", "\n\n")


def read_network_cards(folder: Path = _MODELS) -> dict[str, NetworkCard]:
    """Reads the cards of all networks from their source, without importing it.

    Args:
        folder: Holds the modules, `*.py`; those in subfolders are not read.

    Raises:
        ValueError: A declaration holds something other than literals, or lacks a field; the message names file and
            line.
    """
    cards = {}
    for path in sorted(folder.glob("*.py")):
        for function, decorator in _declarations(ast.parse(path.read_text(encoding="utf-8"))):
            cards[function.name] = _read_card(function, decorator, path)
    return cards


def _declarations(module: ast.Module) -> Iterator[tuple[ast.FunctionDef, ast.Call]]:
    """Yields every function that `register_network` decorates, with the decorator's call."""
    for function in module.body:
        if isinstance(function, ast.FunctionDef):
            for decorator in function.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "register_network":
                    yield function, decorator


def _read_card(function: ast.FunctionDef, decorator: ast.Call, path: Path) -> NetworkCard:
    # Defaults belong to the last positional arguments; each keyword-only argument has an entry of its own.
    positional, keyword_only = function.args.args, function.args.kwonlyargs
    first_default = len(positional) - len(function.args.defaults)
    defaults = {
        argument.arg: default
        for argument, default in [
            *zip(positional[first_default:], function.args.defaults, strict=True),
            *zip(keyword_only, function.args.kw_defaults, strict=True),
        ]
    }

    arguments = {}
    for argument in (*positional, *keyword_only):
        if argument.arg not in PROVIDED:
            arguments[argument.arg] = _literal(defaults.get(argument.arg), f"{path}:{argument.lineno}", argument.arg)

    where = f"{path}:{decorator.lineno}"
    fields = {
        str(word.arg): _literal(word.value, f"{path}:{word.value.lineno}", word.arg) for word in decorator.keywords
    }
    try:
        return NetworkCard(
            name=function.name,
            description=ast.get_docstring(function) or "",
            arguments=arguments,
            **fields,  # type: ignore[arg-type]  # mypy checks the decorator, whose signature this is
        )
    except TypeError as error:
        raise ValueError(f"{where}: @register_network of {function.name}: {error}") from error


def _literal(node: ast.expr | None, where: str, name: str | None) -> object:
    if node is None:
        raise ValueError(f"{where}: {name} has no default; every argument but {', '.join(PROVIDED)} needs one")
    try:
        value: object = ast.literal_eval(node)
    except ValueError as error:
        raise ValueError(
            f"{where}: {name}={ast.unparse(node)} is no literal; write the value out, "
            "since networks are declared to Hydra without importing their module"
        ) from error
    return value


def _megas(macs: int) -> str:
    """Writes millions with three significant digits, or all digits before the point."""
    return f"{macs / 1e6:,.0f}" if macs >= 1e8 else f"{macs / 1e6:.3g}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the cards of the networks that are named, or one line for each."""
    cards = read_network_cards()
    parser = argparse.ArgumentParser(prog="greenkd networks", description="Shows the cards of networks.")
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"any of {', '.join(cards)}; all if left out")
    names: list[str] = parser.parse_args(arguments).networks

    unknown = [name for name in names if name not in cards]
    if unknown:
        parser.error(f"no network is named {', '.join(unknown)}; there are {', '.join(cards)}")

    if names:
        print("\n\n".join(str(cards[name]) for name in names))
    else:
        print("\n".join(f"{card.name:25}{card.summary}" for card in cards.values()))


if __name__ == "__main__":
    main()
