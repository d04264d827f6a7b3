"""What an Ultralytics `data.yaml` says: classes, and which pictures each part has."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from greenkd.data.picture_files import PassedOver, find_pictures
from greenkd.errors import DataError

_log = logging.getLogger(__name__)

_NOT_LABELS = ("classes.txt", "notes.txt")  # what labelling tools leave among the labels


@dataclasses.dataclass(frozen=True)
class YoloLayout:
    """A data set's description, read.

    Attributes:
        file: The YAML file.
        class_names: In the order of the labels.
        parts: The pictures of the training part, then of the test part, by their names in the file.
    """

    file: Path
    class_names: tuple[str, ...]
    parts: dict[str, list[Path]]


def read_layout(root: Path) -> YoloLayout:
    """Reads a data set's description and finds its pictures.

    Args:
        root: The YAML file, or the folder that holds `data.yaml`.

    Raises:
        DataError: It is missing, malformed, or names a place where there is no picture.
    """
    file = _file(root)
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: is no YAML ({error})") from error
    if not isinstance(content, dict):
        raise DataError(f"{file}: holds no settings; `train`, `val` and `names` are needed")

    test = "test" if content.get("test") else "val"
    if test == "val":
        _log.info("%s: no `test` in it; `val` is taken as the test part", file)
    parts = {name: _pictures(file, content, name) for name in ("train", test)}
    common = set(parts["train"]) & set(parts[test])
    if common:
        raise DataError(f"{file}: {len(common)} pictures are both in train and in {test} ({min(common)}); part them")
    return YoloLayout(file, _class_names(file, content), parts)


def label_file(picture: Path) -> Path:
    """Returns where the boxes of a picture stand: `labels` in the place of the last `images` of its path."""
    parts = list(picture.parts)
    folders = [number for number, part in enumerate(parts[:-1]) if part == "images"]
    if folders:
        parts[folders[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def labels_without_picture(pictures: Sequence[Path]) -> list[Path]:
    """Returns the label files in the folders of the pictures' labels that belong to none of the folder's pictures."""
    known = {label_file(picture) for picture in pictures}
    folders = {label.parent: picture.parent for label, picture in ((label_file(p), p) for p in pictures)}

    orphans = []
    for labels, images in folders.items():
        if labels == images or not labels.is_dir():
            continue
        # A list may name some of a folder's pictures only: the others' labels are no orphans.
        there = {label_file(picture) for picture in images.iterdir()}
        found = (file for file in sorted(labels.glob("*.txt")) if file.name not in _NOT_LABELS)
        orphans += [file for file in found if file not in known and file not in there]
    return orphans


def _file(root: Path) -> Path:
    if root.is_file():
        return root
    if not root.is_dir():
        raise DataError(f"dataset.root={root}: no such folder; give that of data.yaml, or the file itself")

    files = [root / name for name in ("data.yaml", "data.yml", "dataset.yaml") if (root / name).is_file()]
    others = sorted(root.glob("*.y*ml"))
    if not files and len(others) != 1:
        lying = (
            f"; there are {', '.join(file.name for file in others)}: give one of them as dataset.root" if others else ""
        )
        raise DataError(f"{root}: no data.yaml in it, which names classes and parts{lying}")
    return files[0] if files else others[0]


def _class_names(file: Path, content: dict[str, Any]) -> tuple[str, ...]:
    names, count = content.get("names"), content.get("nc")
    if names is None and isinstance(count, int) and count > 0:
        return tuple(f"class {number}" for number in range(count))

    if isinstance(names, dict) and sorted(map(str, names)) == sorted(map(str, range(len(names)))):
        names = [name for _, name in sorted(names.items(), key=lambda item: int(item[0]))]
    if not isinstance(names, list) or not names:
        raise DataError(
            f"{file}: names={names!r}: give a list of names, or one name for each of the numbers 0, 1, 2, …"
        )
    if isinstance(count, int) and count != len(names):
        raise DataError(f"{file}: nc={count}, but there are {len(names)} names; correct one of them")
    return tuple(map(str, names))


def _pictures(file: Path, content: dict[str, Any], name: str) -> list[Path]:
    """Finds the pictures of one part: of a folder, of a list in a text file, or of several of these."""
    entries = content.get(name)
    if isinstance(entries, str):
        entries = [entries]
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, str) for entry in entries):
        raise DataError(
            f"{file}: {name}={content.get(name)!r}: give a folder of pictures, or a text file that lists them"
        )

    pictures: list[Path] = []
    for entry in entries:
        place = _place(file, content.get("path"), entry)
        if place.is_file():
            pictures += _listed(place)
        else:
            passed_over = PassedOver(place)
            found, foreign = find_pictures(place, passed_over)
            if foreign:
                raise DataError(foreign[0])
            passed_over.report()
            pictures += found

    if not pictures:
        raise DataError(f"{file}: {name}={content[name]!r}: no picture there; unpack the data set, or correct the path")
    return list(dict.fromkeys(pictures))


def _place(file: Path, path: object, entry: str) -> Path:
    """Returns where an entry leads: from `path` on, from the file on, or as Roboflow has it, one folder higher."""
    here = file.parent
    bases = [here / path, here] if isinstance(path, str) else [here]
    inner = entry.removeprefix("../")
    candidates = [base / name for base in bases for name in dict.fromkeys((entry, inner))]

    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise DataError(
        f"{file}: {entry}: no such file or folder; looked for {', '.join(map(str, dict.fromkeys(candidates)))}. "
        "Correct `path` in the file, or unpack the data set beside it"
    )


def _listed(file: Path) -> list[Path]:
    """Reads a text file of one picture per line; relative ones begin in the file's folder."""
    lines = [line.strip() for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
    return [file.parent / line for line in lines if line]
