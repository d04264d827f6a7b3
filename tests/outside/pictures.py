"""Small pictures and folders as people have them, made by code."""

from pathlib import Path

import numpy as np
from PIL import Image

# What a Mac writes beside every file on a drive that is not its own (AppleDouble), and the like.
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(40)
LEFT_BY_SYSTEMS = {
    "._0.png": APPLE_DOUBLE,
    ".DS_Store": b"\x00\x00\x00\x01Bud1",
    "Thumbs.db": b"\xd0\xcf\x11\xe0" + bytes(60),
    "THUMBS.DB": b"\xd0\xcf\x11\xe0" + bytes(60),
    "desktop.ini": b"[.ShellClassInfo]\r\n",
    "Icon\r": b"",
    "0.png:Zone.Identifier": b"[ZoneTransfer]\r\nZoneId=3\r\n",
    ".directory": b"[Desktop Entry]\n",
    ".nfs000000001": b"x",
}
SYSTEM_FOLDERS = ("@eaDir", ".ipynb_checkpoints", "__MACOSX", "$RECYCLE.BIN", "#recycle", "lost+found", ".thumbnails")


def pixels(seed: int, side: int = 12) -> np.ndarray:
    """A smooth picture of its own for every seed, uint8 [side, side, 3]."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BILINEAR))


def save(path: Path, seed: int = 0, kind: str | None = None, side: int = 12) -> np.ndarray:
    """Saves such a picture; `kind` where the name does not say it. Returns its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = pixels(seed, side)
    Image.fromarray(values).save(path, format=kind)
    return values


def write_folder(root: Path, ending: str = ".png", parts: tuple[str, str] = ("train", "test")) -> Path:
    """Two parts, the classes ash and oak, two pictures of each."""
    for offset, part in enumerate(parts):
        for label, name in enumerate(("ash", "oak")):
            for number in range(2):
                save(root / part / name / f"{number}{ending}", seed=100 * offset + 10 * label + number)
    return root


def litter(folder: Path) -> int:
    """Leaves behind what other systems do; returns how many files and folders these are."""
    for name, content in LEFT_BY_SYSTEMS.items():
        (folder / name).write_bytes(content)
    for name in SYSTEM_FOLDERS:
        save(folder / name / "SYNOPHOTO_THUMB_M.jpg", seed=99)
    return len(LEFT_BY_SYSTEMS) + len(SYSTEM_FOLDERS)
