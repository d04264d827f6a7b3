"""Which files below a folder are pictures. Whatever else lies there is counted and named, never dropped in silence."""

import logging
from collections.abc import Iterator
from pathlib import Path

from greenkd.data.pictures import FORMATS, picture_format

_log = logging.getLogger(__name__)

# Reasons for passing something over, as they stand in the log.
BY_SYSTEMS = "left by other systems"
NO_PICTURE = "no picture by its name"
MISNAMED = "a picture by its content but not by its name; give it .jpg, .png or another known ending to have it read"
HIDDEN = "a picture with a hidden name; take the dot away to have it read"
LOOP = "a link to a folder it lies in"
LEADS_NOWHERE = "a link that leads nowhere"

# What file managers, network drives and unpackers leave behind, in lower case, beside names that begin with a dot.
_SYSTEM_NAMES = {
    "@eadir",
    "@recently-snapshot",
    "@recycle",
    "@sharebin",
    "@tmp",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "__macosx",
    "__pycache__",
    "desktop.ini",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "icon\r",
    "lost+found",
    "network trash folder",
    "picasa.ini",
    "system volume information",
    "temporary items",
    "thumbs.db",
}
_SYSTEM_ENDINGS = (":zone.identifier", ":encryptable", "@synoeastream", "@synoresource")

# Pictures that people have, but that are not read here.
_FOREIGN = {
    *(".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".tga", ".dib", ".pcx", ".exr", ".hdr"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"),
}
_NAMES_SHOWN = 10


class PassedOver:
    """What was found in a folder and is not read.

    Args:
        where: The folder; names are given as seen from there.
    """

    def __init__(self, where: Path) -> None:
        self._where = where
        self._names: dict[str, list[str]] = {}

    def add(self, reason: str, path: Path) -> None:
        """Notes one file or folder."""
        name = str(path.relative_to(self._where)) + ("/" if path.is_dir() else "")
        self._names.setdefault(reason, []).append(name)

    def names(self, reason: str) -> list[str]:
        """Returns what is passed over for one reason."""
        return list(self._names.get(reason, []))

    def report(self) -> None:
        """Counts and names everything in the log, in one line."""
        if not self._names:
            return

        parts = []
        for reason, names in self._names.items():
            more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
            parts.append(f"{len(names)} {reason} ({', '.join(map(_printable, names[:_NAMES_SHOWN]))}{more})")

        total = sum(len(names) for names in self._names.values())
        _log.warning("%s: %d passed over: %s", self._where, total, "; ".join(parts))


def find_pictures(folder: Path, passed_over: PassedOver, *, known: str = "") -> tuple[list[Path], list[str]]:
    """Finds the pictures in a folder and in all folders below it.

    Args:
        folder: Where to look.
        passed_over: Takes what is no picture.
        known: The name of a file that belongs there and is nothing to speak of.

    Returns:
        The pictures in alphabetical order, and of those whose kind is not read, each with what to do about it.
    """
    pictures, foreign = [], []
    for path in _files(folder, passed_over, (folder.resolve(),)):
        ending = path.suffix.lower()

        if ending in FORMATS:
            pictures.append(path)
        elif ending in _FOREIGN:
            foreign.append(f"{path}: pictures of the kind {ending} are not read; convert it to PNG or JPEG")
        elif path.name != known:
            passed_over.add(NO_PICTURE if picture_format(path) is None else MISNAMED, path)

    return pictures, foreign


def folders_in(folder: Path, passed_over: PassedOver, *, otherwise: str) -> list[Path]:
    """Returns the folders that lie directly in a folder, in alphabetical order.

    Args:
        folder: Where to look.
        passed_over: Takes the files that lie beside them.
        otherwise: The reason for pictures among these files.
    """
    folders = []
    for path in _entries(folder, passed_over):
        if path.is_dir():
            folders.append(path)
        else:
            passed_over.add(otherwise if is_picture_name(path) else NO_PICTURE, path)

    return folders


def is_picture_name(path: Path) -> bool:
    """Tells whether a file is a picture by its name, of a kind that is read or not."""
    return path.suffix.lower() in FORMATS or path.suffix.lower() in _FOREIGN


def is_left_by_system(name: str) -> bool:
    """Tells whether other systems leave files or folders of this name behind."""
    lower = name.lower()
    return lower.startswith(".") or lower in _SYSTEM_NAMES or lower.endswith(_SYSTEM_ENDINGS)


def _files(folder: Path, passed_over: PassedOver, above: tuple[Path, ...]) -> Iterator[Path]:
    """Yields all files below a folder, those of other systems aside; `above` are the folders it lies in, resolved."""
    for path in _entries(folder, passed_over):
        if not path.is_dir():
            yield path
            continue

        resolved = path.resolve()
        if resolved in above:
            passed_over.add(LOOP, path)
        else:
            yield from _files(path, passed_over, (*above, resolved))


def _entries(folder: Path, passed_over: PassedOver) -> Iterator[Path]:
    """Yields what lies in a folder in alphabetical order, without what other systems leave."""
    for path in sorted(folder.iterdir()):
        if path.is_symlink() and not path.exists() and not is_picture_name(path):
            passed_over.add(LEADS_NOWHERE, path)
        elif not is_left_by_system(path.name):
            yield path
        elif path.name.startswith(".") and path.suffix.lower() in FORMATS and picture_format(path) is not None:
            passed_over.add(HIDDEN, path)
        else:
            passed_over.add(BY_SYSTEMS, path)


def _printable(name: str) -> str:
    return name if name.isprintable() else ascii(name)[1:-1]
