"""Output that any stream can take and no terminal obeys.

A pipe under a C locale, or a console with a code page of Windows, takes no τ: what an encoding lacks is written in
ASCII, one character for one wherever it can, so that tables stay aligned. Names come from command lines, folders and
records that others wrote: what would steer a terminal is shown by its number. And output that nobody takes any more,
because a terminal or a pipe has gone, stops nothing that is being computed.
"""

import codecs
import errno
import io
import logging
import os
import re
import sys
import unicodedata
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_HANDLER = "greenkd.ascii"
_REPLACEMENTS = {
    **{"τ": "t", "α": "a", "β": "b", "γ": "g", "ε": "e", "θ": "th", "λ": "l", "π": "pi", "σ": "s", "φ": "phi"},
    **{"Δ": "D", "Σ": "S", "Φ": "Phi", "µ": "u", "μ": "u", "√": "sqrt"},
    **{"·": "-", "×": "x", "÷": "/", "\u2044": "/", "−": "-", "±": "+-", "°": " deg"},
    **{"≤": "<=", "≥": ">=", "≈": "~", "∞": "inf"},
    **{"→": ">", "←": "<", "…": ".", "–": "-", "—": "-", "‖": "|", "“": '"', "”": '"', "‘": "'", "’": "'"},
    **{"─": "-", "━": "-", "═": "=", "│": "|", "├": "|", "└": "`", "╸": "-", "╺": "-", "•": "*", "⁻": "-"},
}

# Control characters but line break and tab, the marks that turn the direction of writing, halves of surrogate pairs.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Returns text that a terminal shows and does not obey: escape sequences and their like by number, `\x1b`."""
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class PrintableFormatter(logging.Formatter):
    """Formats lines of a log, on a terminal or in a file that people show on one, so that no name in them steers it."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        return printable(super().format(record))


def make_output_readable() -> None:
    """Makes standard output and error write a character that their encoding lacks readably, instead of raising.

    A way of handling such characters that the user has chosen (`PYTHONIOENCODING=latin-1:replace`) stays.
    """
    codecs.register_error(_HANDLER, _replace)
    sys.stdout, sys.stderr = _lasting(sys.stdout), _lasting(sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape", "backslashreplace"):
            stream.reconfigure(errors=_HANDLER)


class _LastingFile(io.FileIO):
    """Writes to a file descriptor, and to nowhere once its terminal has hung up, or its reader has gone.

    What a full disk does not take of it is lost: records, which matter more, are answered where they are written.
    """

    def write(self, data: "ReadableBuffer", /) -> int:
        """Writes bytes; returns how many."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno in (errno.EIO, errno.EPIPE):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.fileno())
                os.close(nowhere)
            elif error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return memoryview(data).nbytes


def _lasting(stream: TextIO) -> TextIO:
    """Returns a standard stream that outlasts its reader; any other than Python's own as it is."""
    if type(stream) is not io.TextIOWrapper:
        return stream
    unbuffered = type(stream.buffer) is io.FileIO
    raw = stream.buffer if unbuffered else getattr(stream.buffer, "raw", None)
    if type(raw) is not io.FileIO:
        return stream

    stream.flush()
    file = _LastingFile(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        file if unbuffered else io.BufferedWriter(file),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def in_ascii(text: str) -> str:
    """Returns a text in ASCII: signs by what looks like them, letters without accents, anything else by its number."""
    return "".join(character if character.isascii() else _ascii_of(character) for character in text)


def _ascii_of(character: str) -> str:
    if character in _REPLACEMENTS:
        return _REPLACEMENTS[character]

    parts = [part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part)]
    text = "".join(_REPLACEMENTS.get(part, part) for part in parts)
    if text.isascii():  # empty for an accent that stands alone
        return text
    return character.encode("ascii", "backslashreplace").decode("ascii")


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Answers the codec that could not write some characters, as `codecs.register_error` asks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return in_ascii(error.object[error.start : error.end]), error.end
