"""`temperature.search` on a command line, as one would write it: Hydra takes its functions in quotation marks only.

Without them Hydra takes `interval(0.5, 0.99)` for a sweep of its own, which it cannot keep in a configuration, does not
know `log(0.01, 0.2)`, and cannot read `log[0.01, 0.2]`.
"""

import re
from collections.abc import Sequence

_SEARCH = re.compile(r"\+{0,2}temperature\.search(\.[\w.]+)?=")
# A text in quotation marks, or a function with its arguments, among which another may be: tag(log, interval(0.01, 0.2))
_PART = re.compile(
    r"""(?P<quoted>"[^"]*"|'[^']*')|(?P<name>[a-z]+)(?:\((?P<round>(?:[^()]|\([^()]*\))*)\)|\[(?P<square>[^\[\]]*)\])"""
)


def quote_functions(words: Sequence[str]) -> list[str]:
    """Returns a command line's words with the functions of `temperature.search` in quotation marks.

    Args:
        words: As typed; those that are about something else stay as they are.
    """
    return [_PART.sub(_quote, word) if _SEARCH.match(word) else word for word in words]


def _quote(part: re.Match[str]) -> str:
    if part["quoted"]:
        return part[0]
    arguments = part["square"] if part["round"] is None else part["round"]
    return f'"{part["name"]}({arguments})"'
