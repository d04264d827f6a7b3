"""Reads small XML files that others wrote. None needs a document type, and without one no entity can be declared.

Entities are how a few bytes expand to gigabytes, and how a file has others read: a file that brings a document type is
refused before it is parsed.
"""

from pathlib import Path
from xml.etree import ElementTree

_MAX_BYTES = 1 << 24


class MalformedXmlError(Exception):
    """A file is missing, no XML, or of another kind; the message says which."""


def read_xml(path: Path, *, root: str) -> ElementTree.Element:
    """Reads a file.

    Args:
        path: In UTF-8.
        root: Name of its outermost element.

    Raises:
        MalformedXmlError: It cannot be read or used.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise MalformedXmlError(error.strerror or "not readable") from error
    except UnicodeDecodeError as error:
        raise MalformedXmlError("not in UTF-8") from error

    if len(content) > _MAX_BYTES:
        raise MalformedXmlError(f"more than {_MAX_BYTES} bytes")
    if "<!DOCTYPE" in text:
        raise MalformedXmlError("it declares a document type")

    try:
        document = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise MalformedXmlError("broken XML") from error

    if document.tag != root:
        raise MalformedXmlError(f"its outermost element is not <{root}>")
    return document
