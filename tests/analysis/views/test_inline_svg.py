"""Figures in the page: their colours can be changed, and no two share an identifier."""

import io
import json
import re
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.figure import Figure

from analysis.views.inline_svg import inline_svg, points_json


def drawn() -> str:
    figure = Figure(figsize=(2, 2))
    axes = figure.add_subplot()
    axes.plot([1, 2, 3], [1, 3, 2], "o", color="#0072B2", gid="dots")
    axes.bar([1], [2], hatch="//", color="#D55E00", edgecolor="white")
    axes.set_xlabel("temperature τ")
    axes.set_ylabel("0.00012345, a#0072b2")
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg")
    return buffer.getvalue().decode()


def test_identifiers_are_the_figures_own_and_all_references_meet_one() -> None:
    text = inline_svg(drawn(), "first")
    identifiers = re.findall(r'\bid="([^"]*)"', text)
    assert len(identifiers) == len(set(identifiers))
    assert all(name.startswith("first-") for name in identifiers)
    assert set(re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', text)) <= {
        pair for name in identifiers for pair in ((name, ""), ("", name))
    }
    assert len(re.findall(r"<use ", text.partition('id="first-dots"')[2].partition("</g>")[0])) == 3  # a mark a point


def test_colours_may_be_changed_by_the_page_and_nothing_else_is_ruled() -> None:
    text = inline_svg(drawn(), "first")
    assert "var(--c-0072b2, #0072b2)" in text
    assert not re.search(r"(?<!, )#[0-9a-f]{6}\b", re.sub(r">[^<]*<", "><", text))
    assert ">0.00012345, a#0072b2<" in text  # text stays as it is
    assert "<style" not in text
    assert "font-family" not in text
    assert "temperature τ" in text
    ElementTree.fromstring(text)  # still well formed
    assert len(text) < 0.8 * len(drawn())


def test_what_marks_say_cannot_end_the_element_that_holds_it() -> None:
    text = points_json({"dots": ["</script><script>alert(1)"]}, "first")
    assert "<" not in text
    assert json.loads(text) == {"first-dots": ["</script><script>alert(1)"]}
    assert points_json({}, "first") == ""


def test_marks_that_look_the_same_say_so_once() -> None:
    text = inline_svg(drawn(), "first")
    marks = text.partition('id="first-dots"')[2].partition("</g></g>")[0]
    assert marks.count("fill: var(--c-0072b2") == 1
    assert len(re.findall(r'<use href="#first-[^"]*" x="[^"]*" y="[^"]*"/>', marks)) == 3


def test_what_marks_of_two_panels_say_stands_once() -> None:
    text = points_json({"above": ["τ=2", "τ=4"], "below": ["τ=2", "τ=4"], "other": ["τ=2"]}, "first")
    assert json.loads(text) == {"first-above": ["τ=2", "τ=4"], "first-below": "first-above", "first-other": ["τ=2"]}
