"""Pictures of a camera that was held on its side are learned upright."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from greenkd.data import load_image_folder
from greenkd.data.pictures import read_picture
from tests.outside.pictures import pixels, write_folder

TAG = 0x0112
# How the stored rows and columns become those of the picture (Exif 2.3, table 6), on arrays [H, W, C].
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: stored[::-1].transpose(1, 0, 2),
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: stored.transpose(1, 0, 2)[::-1],
}


def stored() -> np.ndarray:
    return np.ascontiguousarray(pixels(3)[:8])


def save(path: Path, orientation: object, kind: str) -> None:
    exif = Image.Exif()
    exif[TAG] = orientation
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    Image.fromarray(stored()).save(path, format=kind, exif=exif, **options)


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pictures_are_turned_as_the_camera_says(tmp_path: Path, kind: str, orientation: int) -> None:
    path = tmp_path / "picture.any"
    save(path, orientation, kind)
    read = np.asarray(read_picture(path, 3)).astype(int)
    expected = UPRIGHT[orientation](stored()).astype(int)
    assert read.shape == expected.shape
    assert abs(read - expected).max() <= (6 if kind == "JPEG" else 0)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_means_nothing_turns_nothing(tmp_path: Path, orientation: int) -> None:
    save(tmp_path / "a.png", orientation, "PNG")
    assert np.array_equal(np.asarray(read_picture(tmp_path / "a.png", 3)), stored())


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\x00\x00", b"Exif\x00\x00garbage", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"\x00" * 30]
)
def test_broken_exif_data_stop_no_picture(tmp_path: Path, exif: bytes) -> None:
    buffer = io.BytesIO()
    Image.fromarray(stored()).save(buffer, format="JPEG", quality=100)
    plain = buffer.getvalue()
    (tmp_path / "plain.jpg").write_bytes(plain)
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (tmp_path / "broken.jpg").write_bytes(plain[:2] + segment + plain[2:])
    images = [np.asarray(read_picture(tmp_path / name, 3)) for name in ("plain.jpg", "broken.jpg")]
    assert np.array_equal(*images)


def test_a_turned_data_set_is_that_of_upright_pictures(tmp_path: Path) -> None:
    upright = load_image_folder(root=write_folder(tmp_path / "upright"))
    root = write_folder(tmp_path / "turned")
    for path in root.glob("*/*/*.png"):
        exif = Image.Exif()
        exif[TAG] = 6
        with Image.open(path) as picture:
            lying = picture.transpose(Image.Transpose.ROTATE_90)
        lying.save(path, exif=exif)
    assert load_image_folder(root=root).fingerprint == upright.fingerprint


def test_the_fingerprint_of_pictures_without_orientation_is_as_ever(tmp_path: Path) -> None:
    # Recorded with the version before orientations were read.
    dataset = load_image_folder(root=write_folder(tmp_path))
    assert dataset.fingerprint == "57dd43a03921bdb1181aa08491bc4ad1038d9e0bb80d35b2a8ce61ebfdcae7c2"
