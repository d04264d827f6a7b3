"""What networks find in example pictures, drawn and counted."""

import base64
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from PIL import Image

from analysis.views.figures.detections import draw_detections
from greenkd.errors import RecordError
from greenkd.records.examples import ExamplePicture, Examples, FoundBox, TrueBox, read_examples, write_examples

LEFT, RIGHT, BELOW = (0.0, 0.0, 0.4, 0.4), (0.5, 0.0, 0.9, 0.4), (0.0, 0.5, 0.4, 0.9)


def picture(student: tuple[FoundBox, ...]) -> ExamplePicture:
    """A grey picture with a 3 on the left, an 8 on the right, and a difficult 3 below."""
    buffer = io.BytesIO()
    Image.new("L", (48, 48), 90).save(buffer, "JPEG")
    true = (TrueBox(LEFT, 0, False), TrueBox(RIGHT, 1, False), TrueBox(BELOW, 0, True))
    teacher = (FoundBox(LEFT, 0, 0.9), FoundBox(RIGHT, 1, 0.8))
    return ExamplePicture(base64.b64encode(buffer.getvalue()).decode(), true, {"teacher": teacher, "student": student})


def setting(folder: Path) -> Any:
    sweep = SimpleNamespace(folders={7: folder}, records={7: SimpleNamespace(strategy="grid")}, problems=[])
    return cast(Any, SimpleNamespace(campaigns=(7,), sweep=sweep))


def examples(*student: FoundBox) -> Examples:
    return Examples(class_names=("3", "8"), least_score=0.4, pictures=(picture(student), picture(())))


def test_right_wrong_and_missed_boxes_are_told_apart(tmp_path: Path) -> None:
    twice, other_class, difficult = FoundBox(LEFT, 0, 0.5), FoundBox(RIGHT, 0, 0.7), FoundBox(BELOW, 0, 0.6)
    write_examples(tmp_path, examples(FoundBox(LEFT, 0, 0.9), twice, other_class, difficult))

    drawing = draw_detections(setting(tmp_path))
    assert drawing is not None
    assert drawing.alt == (
        "In 2 pictures the teacher finds 4 of 4 boxes and is wrong 0 times; "
        "the student finds 1 of 4 boxes and is wrong 2 times."
    )
    assert "Campaign 7 (grid)" in drawing.caption
    assert len(drawing.figure.axes) == 4


def test_without_examples_nothing_is_drawn(tmp_path: Path) -> None:
    assert draw_detections(setting(tmp_path)) is None


def test_examples_are_read_back_and_damaged_ones_named(tmp_path: Path) -> None:
    written = examples(FoundBox(LEFT, 0, 0.9))
    write_examples(tmp_path, written)
    assert read_examples(tmp_path) == written

    (tmp_path / "examples.json").write_text('{"pictures": 3}')
    with pytest.raises(RecordError, match=r"examples\.json: no examples"):
        read_examples(tmp_path)

    damaged = setting(tmp_path)
    assert draw_detections(damaged) is None
    assert [problem.where for problem in damaged.sweep.problems] == [str(tmp_path)], "named in the report"
