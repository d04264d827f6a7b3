"""Where the JSON files and the pictures of a COCO export lie."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

from greenkd.errors import DataError

_log = logging.getLogger(__name__)

_TRAIN = ("train", "training")
_TEST = ("test", "testing", "val", "valid", "validation", "dev")
_PROBES = 20  # pictures that are looked for in a folder


@dataclasses.dataclass(frozen=True)
class CocoPart:
    """One part of a data set.

    Attributes:
        annotations: Its JSON file.
    """

    annotations: Path

    def images(self, root: Path, names: Sequence[str], given: Path | None) -> Path:
        """Returns the folder in which the pictures' names begin.

        Args:
            root: The data set's folder.
            names: The pictures' names, as the JSON file gives them.
            given: The folder, from `root` on, where the user names it.

        Raises:
            DataError: The given folder is not there.
        """
        if given is not None:
            if not (root / given).is_dir():
                raise DataError(f"{root / given}: no such folder; give the pictures' folder, from dataset.root on")
            return root / given

        beside = self.annotations.parent
        part = self.annotations.stem.rpartition("_")[2]
        candidates = [beside, beside / "images", beside / "data", root / part, root / "images" / part, root / "images"]
        probes = names[:_PROBES]
        return max(candidates, key=lambda folder: sum((folder / name).is_file() for name in probes))


def find_parts(root: Path, train: Path | None, test: Path | None) -> tuple[CocoPart, CocoPart]:
    """Finds the JSON files of the training and the test part.

    Args:
        root: The data set's folder.
        train: The training part's file, from `root` on; None: it is looked for.
        test: The test part's, likewise.

    Raises:
        DataError: A file is not there, or several could be meant.
    """
    if not root.is_dir():
        raise DataError(f"dataset.root={root}: no such folder; give that of the pictures and their JSON files")
    return _part(root, "train", train, _TRAIN), _part(root, "test", test, _TEST)


def _part(root: Path, setting: str, given: Path | None, names: tuple[str, ...]) -> CocoPart:
    if given is not None:
        if not (root / given).is_file():
            raise DataError(f"dataset.{setting}_annotations={given}: no such file in {root}")
        return CocoPart(root / given)

    for name in names:
        found = _json_files(root, name)
        if len(found) > 1:
            listed = ", ".join(str(file.relative_to(root)) for file in found)
            raise DataError(f"{root}: {listed} could be meant; give dataset.{setting}_annotations=<one of them>")
        if found:
            if setting == "test" and name != "test":
                _log.info("%s: no annotations of a part test; %s are taken as the test part's", root, found[0])
            return CocoPart(found[0])

    others = sorted(str(file.relative_to(root)) for file in root.glob("**/*.json"))[:5]
    lying = f"; there are {', '.join(others)}" if others else ""
    raise DataError(
        f"{root}: neither {names[0]}/*.json nor annotations/instances_{names[0]}*.json in it{lying}; "
        f"give dataset.{setting}_annotations=<file> and dataset.{setting}_images=<folder>, both from dataset.root on"
    )


def _json_files(root: Path, name: str) -> list[Path]:
    """Finds what may hold the annotations of a part of this name, COCO's own place first."""
    for place, pattern in (
        (root / "annotations", f"instances_{name}*.json"),
        (root / name, "_annotations.coco.json"),
        (root / name, "*.json"),
        (root / "annotations", f"{name}*.json"),
        (root, f"{name}*.json"),
    ):
        found = sorted(place.glob(pattern))
        if found:
            return found
    return []
