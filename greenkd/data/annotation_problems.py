"""What is wrong with the annotations of one part of a data set: counted, named, and refused above a share."""

import logging
import math
from pathlib import Path

from greenkd.errors import DataError

_log = logging.getLogger(__name__)

_NAMES_SHOWN = 5
_REASONS_SHOWN = 10

WITHOUT_FILE = "without a file"
UNREADABLE = "that cannot be read"
UNREADABLE_ANNOTATION = "with an annotation that cannot be read"
NO_AREA = "of no area"
OUTSIDE = "outside their pictures"
OVER_THE_EDGE = "over the edge of their pictures by more than a pixel (cut to it)"


class AnnotationProblems:
    """Pictures and boxes of one part that cannot be used as they are.

    Args:
        where: The part, for messages.
    """

    def __init__(self, where: Path | str) -> None:
        self._where = where
        self._pictures: dict[str, list[str]] = {}
        self._boxes: dict[str, list[str]] = {}

    def add_picture(self, reason: str, name: Path | str) -> None:
        """Notes a picture that is left out, by its file or its line in an annotation file."""
        self._pictures.setdefault(reason, []).append(str(name))

    def add_box(self, reason: str, name: Path | str) -> None:
        """Notes a box that is left out or changed, by its picture."""
        self._boxes.setdefault(reason, []).append(str(name))

    @property
    def boxes(self) -> int:
        """Number of boxes noted."""
        return sum(len(names) for names in self._boxes.values())

    def judge(self, *, pictures: int, boxes: int, max_bad_share: float) -> None:
        """Names everything in the log, or refuses the part.

        Args:
            pictures: All pictures of the part, bad ones too.
            boxes: All boxes, bad ones too.
            max_bad_share: Largest share of either that is let pass.

        Raises:
            DataError: More than that share of the pictures, or of the boxes, is bad.
        """
        for kind, reasons, total in (("pictures", self._pictures, pictures), ("boxes", self._boxes, boxes)):
            bad = sum(len(names) for names in reasons.values())
            if bad == 0:
                continue

            described = f"{self._where}: {bad} of {total} {kind} cannot be used as they are: {_listed(reasons)}"
            if bad > max_bad_share * total:
                share = math.ceil(bad / total * 1e4) / 1e4
                raise DataError(
                    f"{described}. Correct them, or set dataset.max_bad_share={share:.4g} to go on without them"
                )
            _log.warning("%s", described)


def _listed(reasons: dict[str, list[str]]) -> str:
    """Counts and names what is bad, the most frequent reason first."""
    ordered = sorted(reasons.items(), key=lambda entry: -len(entry[1]))
    parts = []
    for reason, names in ordered[:_REASONS_SHOWN]:
        shown = ", ".join(dict.fromkeys(names[:_NAMES_SHOWN]))
        more = ", …" if len(names) > _NAMES_SHOWN else ""
        parts.append(f"{len(names)} {reason} ({shown}{more})")

    if len(ordered) > _REASONS_SHOWN:
        parts.append(f"and {len(ordered) - _REASONS_SHOWN} further reasons")
    return "; ".join(parts)
