"""What the chosen student and the teacher find in a few test pictures: `examples.json` in a campaign's folder."""

import dataclasses
from pathlib import Path

import pydantic

from greenkd.errors import RecordError
from greenkd.records.documents import write_json
from greenkd.records.schema import SCHEMA_VERSION

FILE = "examples.json"

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in units of the picture's side."""


@dataclasses.dataclass(frozen=True)
class TrueBox:
    """A box that is to be found."""

    box: Box
    label: int
    difficult: bool


@dataclasses.dataclass(frozen=True)
class FoundBox:
    """A detection."""

    box: Box
    label: int
    score: float


@dataclasses.dataclass(frozen=True)
class ExamplePicture:
    """A test picture with its boxes, and what each network finds in it."""

    jpeg: str  # base64
    boxes: tuple[TrueBox, ...]
    found: dict[str, tuple[FoundBox, ...]]  # by network: teacher, student


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examples:
    """The first pictures of the test split."""

    class_names: tuple[str, ...]
    least_score: float  # detections of a lower score are left out
    pictures: tuple[ExamplePicture, ...]
    schema_version: int = SCHEMA_VERSION


def write_examples(folder: Path, examples: Examples) -> None:
    """Replaces `examples.json` of a campaign's folder."""
    write_json(folder / FILE, dataclasses.asdict(examples))


def read_examples(folder: Path) -> Examples | None:
    """Reads `examples.json` of a campaign's folder; None where there is none.

    Raises:
        RecordError: It is none.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return pydantic.TypeAdapter(Examples).validate_json(path.read_bytes())
    except pydantic.ValidationError as error:
        raise RecordError(f"{path}: no examples ({error.error_count()} faults); delete it") from error
