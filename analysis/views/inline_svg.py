"""Makes matplotlib's SVG a part of a page: its colours follow the page, its marks can be asked for their values."""

import json
import re
from collections.abc import Mapping, Sequence

# What stands before the drawing, what is said about it, and its rules for all elements of the page.
_PROLOGUE = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_SIZE = re.compile(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"')
_FONT = re.compile(r"font-family: [^;\"]*(?:; )?")
_ID = re.compile(r'(\bid="|href="#|url\(#)')
_COLOR = re.compile(r"#([0-9a-f]{6})\b")
_LONG_NUMBER = re.compile(r"(\d+\.\d\d)\d+")
_SPACES = re.compile(r"\n\s*")
_NO_NAME = re.compile(r"[^A-Za-z0-9]+")  # a metric, which is a part of figures' names, may be called anything
_BETWEEN = re.compile(r">\s+<")
_MARKS = re.compile(r'<use [^>]*style="([^"]*)"/>(?:<use [^>]*style="\1"/>)+')
_PATH = re.compile(r'(?<=\bd=")[^"]*(?=")')
_AROUND_LETTER = re.compile(r"\s*([A-Za-z])\s*")


def inline_svg(svg: str, name: str) -> str:
    """Returns the `<svg>` element for a page.

    Colours become `var(--c-rrggbb, #rrggbb)`, which the page's style may define anew for dark screens; identifiers get
    the figure's name before them, so that those of several figures are not mixed up.

    Args:
        svg: What matplotlib wrote.
        name: The figure's name, unique on the page.
    """
    prefix = _prefix(name)
    text = _METADATA.sub("", _PROLOGUE.sub("", svg))
    text = _SIZE.sub(r"\1", text, count=1)
    text = _TAG.sub(lambda tag: _in_page(tag.group(), prefix), text)
    text = _BETWEEN.sub("><", text).strip()
    text = _MARKS.sub(_with_one_style, text)
    return _PATH.sub(lambda path: _AROUND_LETTER.sub(r"\1", path[0]).strip(), text)


def _with_one_style(marks: re.Match[str]) -> str:
    """Returns marks that look the same in a group that says how; thousands of them are most of a page."""
    style = f' style="{marks[1]}"'
    return f"<g{style}>{marks[0].replace(style, '')}</g>"


def _in_page(tag: str, prefix: str) -> str:
    """Returns a tag as it stands in a page; what stands between tags is text, and stays as it is."""
    tag = _FONT.sub("", tag).replace(" xlink:href=", " href=")
    tag = _ID.sub(rf"\g<1>{prefix}", tag)
    tag = _SPACES.sub(" ", _LONG_NUMBER.sub(r"\1", tag))  # a hundredth of a point is not seen
    return _COLOR.sub(r"var(--c-\1, #\1)", tag)


def _prefix(name: str) -> str:
    return f"{_NO_NAME.sub('-', name)}-"


def points_json(points: Mapping[str, Sequence[str]], name: str) -> str:
    """Returns what is said of each mark, as JSON that may stand in a `<script>` element; empty where nothing is.

    Args:
        points: By the id of a group of marks, a text per mark.
        name: The figure's name, as `inline_svg` was given it.
    """
    if not points:
        return ""

    # Marks of several panels may say the same, which then stands there once, under the first one's name.
    content: dict[str, str | list[str]] = {}
    first: dict[tuple[str, ...], str] = {}
    for key, texts in points.items():
        name_of_first = first.setdefault(tuple(texts), key)
        content[f"{_prefix(name)}{key}"] = list(texts) if name_of_first == key else f"{_prefix(name)}{name_of_first}"
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
