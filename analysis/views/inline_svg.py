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
    return _BETWEEN.sub("><", text).strip()


def _in_page(tag: str, prefix: str) -> str:
    """Returns a tag as it stands in a page; what stands between tags is text, and stays as it is."""
    tag = _FONT.sub("", tag)
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
    content = json.dumps({f"{_prefix(name)}{key}": list(texts) for key, texts in points.items()}, ensure_ascii=False)
    return content.replace("<", "\\u003c")
