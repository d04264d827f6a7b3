"""The gallery of the documentation: `python -m scripts.gallery` draws it anew from the study's records.

Every figure of the report once, of the first setting that has it; the page says how each is read.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import analysis
from analysis.results.standings import standings
from analysis.views.figures import Picture, figures, overview, write_picture

ROOT = Path(__file__).resolve().parents[1]
STUDY = ROOT / "studies" / "cpu-2026"
PAGE = ROOT / "docs" / "gallery.md"
FIGURES = ROOT / "docs" / "figures" / "gallery"

_ORDER = ("small_tiny_imagenet", "digits", "digit_scenes")  # the response to τ of that where τ matters
_HEAD = """\
# Gallery

The figures of a report, drawn from the records of [the study](study.md):

    python -m analysis studies/cpu-2026 --report       # the page, and each figure as PNG and SVG
    python -m scripts.gallery                          # this gallery

"""


def draw() -> Iterator[tuple[str, Picture]]:
    """Draws each figure once, with the name that its file has here."""
    sweep = analysis.load(STUDY)
    comparison = analysis.compare(sweep)
    found = standings(comparison, analysis.verdicts(comparison, margin=0.5))
    settings = sorted({standing.setting for standing in found}, key=_place)
    drawn: set[str] = set()

    first = overview(found)
    if first is not None:
        yield "overview", first
    for setting in settings:
        for picture in figures(sweep, comparison, standings=found, only=[setting]):
            name = picture.name.lstrip("0123456789-").removeprefix("accuracy-").removeprefix("map-")
            if name not in drawn:
                drawn.add(name)
                yield name, picture


def _place(setting: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    data = setting[0]
    return (_ORDER.index(data) if data in _ORDER else len(_ORDER), setting)


def main() -> None:
    """Writes the page and its figures."""
    FIGURES.mkdir(exist_ok=True)
    for old in FIGURES.glob("*.svg"):
        old.unlink()

    page = io.StringIO(_HEAD)
    page.seek(0, io.SEEK_END)
    for name, picture in draw():
        png, svg = write_picture(picture, FIGURES)
        png.unlink()
        svg.rename(FIGURES / f"{name}.svg")
        page.write(f"## {picture.title}\n\n![{picture.title}](figures/gallery/{name}.svg)\n\n{picture.caption}\n\n")
        print(name)
    PAGE.write_text(page.getvalue().rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
