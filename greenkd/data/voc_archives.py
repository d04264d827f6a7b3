"""The published archives of PASCAL VOC: addresses, MD5 sums, and how they become one VOCdevkit folder.

Addresses and sums are those of torchvision's VOCDetection. The two archives of 2007 unpack into one folder.
"""

import dataclasses
from pathlib import Path

from greenkd.data.archive import unpack_tar
from greenkd.data.download import fetch_archive

DEVKIT = "VOCdevkit"
_READ = ("JPEGImages", "Annotations", "ImageSets/Main")  # the last one last: what names a split comes after its files
_LIMIT = 1 << 33  # bytes; the largest archive unpacks to 2 GB


@dataclasses.dataclass(frozen=True)
class VocArchive:
    """What is published about one archive.

    Attributes:
        url: Where it is published; the last part is the file's name.
        md5: Its MD5 sum (hex).
        year: Of the folder VOC<year> that it unpacks to.
        splits: Names of the splits that it holds, with the number of pictures in each.
    """

    url: str
    md5: str
    year: str
    splits: dict[str, int]

    @property
    def file_name(self) -> str:
        """The archive's own name."""
        return self.url.rpartition("/")[2]


_ADDRESS = "https://thor.robots.ox.ac.uk/pascal/VOC"
ARCHIVES = {
    "2007": VocArchive(
        url=f"{_ADDRESS}/voc2007/VOCtrainval_06-Nov-2007.tar",
        md5="c52e279531787c972589f7e41ab4ae64",
        year="2007",
        splits={"train": 2501, "val": 2510, "trainval": 5011},
    ),
    "2007-test": VocArchive(
        url=f"{_ADDRESS}/voc2007/VOCtest_06-Nov-2007.tar",
        md5="b6e924de25625d8de591ea690078ad9f",
        year="2007",
        splits={"test": 4952},
    ),
    "2012": VocArchive(
        url=f"{_ADDRESS}/voc2012/VOCtrainval_11-May-2012.tar",
        md5="6cd6e144f989b92b3379bac3b3de84fd",
        year="2012",
        splits={"train": 5717, "val": 5823, "trainval": 11540},
    ),
}
"""By the names that torchvision has for them."""


def archive_of(year: str, split: str) -> VocArchive | None:
    """Returns the archive that holds a split; None for a split of one's own."""
    return next((archive for archive in ARCHIVES.values() if archive.year == year and split in archive.splits), None)


def fetch_and_unpack(archive: VocArchive, root: Path) -> None:
    """Puts pictures, annotations and splits of an archive into `root/VOCdevkit`, fetching it unless it lies in `root`.

    Args:
        archive: Which one.
        root: The folder for the archive and what is unpacked.

    Raises:
        DataError: It cannot be fetched or written, has another sum, or holds what no official archive has.
    """

    def unpack(file: Path) -> None:
        folder = f"{DEVKIT}/VOC{archive.year}"
        unpack_tar(file, root, [f"{folder}/{name}" for name in _READ], limit=_LIMIT)

    probe = next(iter(archive.splits))
    done = root / DEVKIT / f"VOC{archive.year}" / "ImageSets" / "Main" / f"{probe}.txt"
    fetch_archive(archive.url, root, md5=archive.md5, unpack=unpack, done=done)
