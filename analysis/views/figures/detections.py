"""What teacher and chosen student find in the first test pictures of a detection data set."""

import base64
import io

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from analysis.frames.problem import Problem
from analysis.views.figures.setting import Drawing, Setting
from greenkd.errors import RecordError
from greenkd.records.examples import Box, ExamplePicture, Examples, read_examples

_SIDE, _COLUMNS = 1.9, 4  # inches of a picture, pictures in a row
# Colours that people with any colour vision tell apart, on dark and light pictures (Okabe & Ito).
_RIGHT, _WRONG, _MISSED = "#56B4E9", "#E69F00", "#CC79A7"
_OVERLAP = 0.5


def draw_detections(setting: Setting) -> Drawing | None:
    """Draws the examples of the setting's first campaign that has some."""
    for number in setting.campaigns:
        folder = setting.sweep.folders[number]
        try:
            examples = read_examples(folder)
        except RecordError as error:
            setting.sweep.problems.append(Problem(str(folder), str(error)))
            continue
        if examples is not None and examples.pictures:
            return _drawing(examples, setting.sweep.records[number].strategy, number)
    return None


def _drawing(examples: Examples, strategy: str, number: int) -> Drawing:
    roles, pictures = list(examples.pictures[0].found), examples.pictures
    columns = min(len(pictures), _COLUMNS)
    rows_of_role = -(-len(pictures) // columns)
    rows = len(roles) * rows_of_role
    figure = Figure(figsize=(_SIDE * columns + 0.3, (_SIDE + 0.05) * rows + 0.4))

    counts = {role: [0, 0, 0] for role in roles}
    for order, role in enumerate(roles):
        for place, picture in enumerate(pictures):
            axes = figure.add_subplot(rows, columns, order * rows_of_role * columns + place + 1)
            _draw(axes, picture, role, examples.class_names, counts[role])
            if place % columns == 0:
                axes.set_ylabel(role)

    marks = [
        Rectangle((0, 0), 1, 1, fill=False, edgecolor=colour, linestyle=style, linewidth=1.6)
        for colour, style in ((_RIGHT, "-"), (_WRONG, "-"), (_MISSED, ":"))
    ]
    figure.legend(marks, ["right", "wrong", "missed"], loc="outside lower center", ncols=3)

    said = "; ".join(
        f"the {role} finds {right} of {right + missed} boxes and is wrong {wrong} times"
        for role, (right, wrong, missed) in counts.items()
    )
    return Drawing(
        title="Detections in the first test pictures",
        caption=(
            f"Campaign {number} ({strategy}): its teacher, if it has one, and the student that validation chose. Shown "
            f"are detections of a score from {examples.least_score:g} on; one is right if it overlaps a box of its "
            "class by an IoU above 0.5 that no better one has. Boxes that are marked as difficult count in neither way."
        ),
        alt=f"In {len(pictures)} pictures {said}.",
        figure=figure,
    )


def _draw(axes: Axes, picture: ExamplePicture, role: str, names: tuple[str, ...], counts: list[int]) -> None:
    """Draws one network's detections in one picture, and adds to the counts of right, wrong and missed boxes."""
    image = Image.open(io.BytesIO(base64.b64decode(picture.jpeg)))
    axes.imshow(image, cmap="gray", extent=(0, 1, 1, 0), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)

    taken: set[int] = set()
    for found in sorted(picture.found[role], key=lambda one: -one.score):
        overlaps = [_iou(found.box, true.box) if true.label == found.label else 0.0 for true in picture.boxes]
        best = max(range(len(overlaps)), key=overlaps.__getitem__, default=None)
        hits = best is not None and overlaps[best] > _OVERLAP
        if hits and best is not None and picture.boxes[best].difficult:
            continue

        right = hits and best not in taken
        if right and best is not None:
            taken.add(best)
        counts[0 if right else 1] += 1
        _frame(axes, found.box, _RIGHT if right else _WRONG, "-", f"{names[found.label]} {found.score:.2f}")

    for place, true in enumerate(picture.boxes):
        if place not in taken and not true.difficult:
            counts[2] += 1
            _frame(axes, true.box, _MISSED, ":", names[true.label])


def _frame(axes: Axes, box: Box, colour: str, style: str, text: str) -> None:
    left, top, right, bottom = box
    axes.add_patch(
        Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linestyle=style, linewidth=1.4)
    )
    below = top < 0.12
    axes.text(
        left, bottom if below else top, text, color="black", fontsize=6.5, va="top" if below else "bottom",
        bbox={"facecolor": colour, "edgecolor": "none", "pad": 0.6, "alpha": 0.9}, clip_on=True,
    )  # fmt: skip


def _iou(first: Box, second: Box) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    common = max(width, 0.0) * max(height, 0.0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return common / (areas - common) if areas > common else 0.0
