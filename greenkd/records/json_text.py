"""JSON as records hold it: no NaN, which JSON has not, and no half of a surrogate pair, which no reader takes."""

import json
from typing import Any

import pydantic_core


def json_bytes(content: Any, *, indent: int | None = None) -> bytes:
    r"""Returns JSON in ASCII, on one line unless an indent is given.

    Python holds bytes of a path or an argument that are no UTF-8 as halves of surrogate pairs; in records they stand by
    number, `\udcff`.

    Raises:
        ValueError: A number is NaN or infinite.
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(content, indent=indent, separators=separators, allow_nan=False)
    if "\\ud" in text:  # it may as well be one of a whole pair
        text = json.dumps(_by_number(content), indent=indent, separators=separators, allow_nan=False)
    return text.encode()


def parse_json(text: bytes) -> Any:
    """Returns what JSON says.

    Raises:
        ValueError: It is none.
    """
    try:
        return pydantic_core.from_json(text)  # fast, but refuses half of a surrogate pair
    except ValueError:
        return json.loads(text)


def _by_number(content: Any) -> Any:
    """Returns containers whose texts hold halves of surrogate pairs by number."""
    if isinstance(content, str):
        return content.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(content, dict):
        return {_by_number(key): _by_number(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_by_number(value) for value in content]
    return content
