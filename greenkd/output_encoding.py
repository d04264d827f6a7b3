"""Output that any stream can take: what its encoding lacks is written in ASCII, so that it stays readable.

A pipe under a C locale, or a console with a code page of Windows, takes no τ. One character stands for one wherever it
can, so that tables stay aligned.
"""

import codecs
import io
import sys
import unicodedata

_HANDLER = "greenkd.ascii"
_REPLACEMENTS = {
    **{"τ": "t", "α": "a", "β": "b", "γ": "g", "ε": "e", "θ": "th", "λ": "l", "π": "pi", "σ": "s", "φ": "phi"},
    **{"Δ": "D", "Σ": "S", "Φ": "Phi", "µ": "u", "μ": "u", "√": "sqrt"},
    **{"·": "-", "×": "x", "÷": "/", "\u2044": "/", "−": "-", "±": "+-", "°": " deg"},
    **{"≤": "<=", "≥": ">=", "≈": "~", "∞": "inf"},
    **{"→": ">", "←": "<", "…": ".", "–": "-", "—": "-", "‖": "|", "“": '"', "”": '"', "‘": "'", "’": "'"},
    **{"─": "-", "━": "-", "═": "=", "│": "|", "├": "|", "└": "`", "╸": "-", "╺": "-", "•": "*", "⁻": "-"},
}


def make_output_readable() -> None:
    """Makes standard output and error write a character that their encoding lacks readably, instead of raising.

    A way of handling such characters that the user has chosen (`PYTHONIOENCODING=latin-1:replace`) stays.
    """
    codecs.register_error(_HANDLER, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape", "backslashreplace"):
            stream.reconfigure(errors=_HANDLER)


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
