import logging
from pathlib import Path

import numpy as np
import pytest
import torchvision.transforms.functional as reference
from PIL import Image

from greenkd.data import load_image_folder
from greenkd.errors import DataError

from .layouts import write_picture


def write(root: Path, size: tuple[int, int] = (12, 12), test: str = "test", suffix: str = "png") -> Path:
    for part in ("train", test):
        for seed, name in enumerate(["oak", "ash"]):
            for number in range(2):
                write_picture(root / part / name / f"{number}.{suffix}", size, seed=10 * seed + number)
    return root


def test_classes_are_the_folders_in_alphabetical_order(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "train" / "ash" / "notes.txt").write_text("no picture")
    (tmp_path / "train" / ".cache").mkdir()
    dataset = load_image_folder(root=tmp_path)
    assert dataset.class_names == ("ash", "oak")
    assert dataset.train.labels.tolist() == [0, 0, 1, 1]
    for image, name in zip(dataset.train.images, ["ash/0", "ash/1", "oak/0", "oak/1"], strict=True):
        pixels = np.asarray(Image.open(tmp_path / "train" / f"{name}.png"))
        assert np.array_equal(image.numpy(), pixels.transpose(2, 0, 1))


def test_val_is_taken_where_test_is_missing_and_said_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, test="val")
    with caplog.at_level(logging.INFO, logger="greenkd"):
        assert len(load_image_folder(root=tmp_path).test) == 4
    assert "val is taken as the test part" in caplog.text
    write(tmp_path / "both")
    write(tmp_path / "both", test="val")
    (tmp_path / "both" / "test" / "oak" / "1.png").unlink()
    assert len(load_image_folder(root=tmp_path / "both").test) == 3


@pytest.mark.parametrize("size", [(40, 24), (24, 41), (17, 17), (9, 13)])
def test_resizes_the_shorter_side_and_cuts_out_the_centre(tmp_path: Path, size: tuple[int, int]) -> None:
    write(tmp_path, size)
    dataset = load_image_folder(root=tmp_path, image_size=16)
    for image, name in zip(dataset.train.images, ["ash/0", "ash/1", "oak/0", "oak/1"], strict=True):
        picture = Image.open(tmp_path / "train" / f"{name}.png")
        expected = np.asarray(reference.center_crop(reference.resize(picture, 16), 16))
        assert np.array_equal(image.numpy(), expected.transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_brings_everything_to_the_wanted_channels(tmp_path: Path, mode: str) -> None:
    write(tmp_path)
    write_picture(tmp_path / "train" / "ash" / "0.png", (12, 12), mode=mode)
    assert load_image_folder(root=tmp_path).train.images.shape == (4, 3, 12, 12)
    grey = load_image_folder(root=tmp_path, in_channels=1).train.images
    assert grey.shape == (4, 1, 12, 12)
    expected = np.asarray(Image.open(tmp_path / "train" / "ash" / "0.png").convert("L"))
    assert np.array_equal(grey[0, 0].numpy(), expected)


@pytest.mark.parametrize("odd", [(12, 10), (10, 10)])
def test_names_the_first_picture_of_another_size(tmp_path: Path, odd: tuple[int, int]) -> None:
    write(tmp_path)
    write_picture(tmp_path / "test" / "oak" / "0.png", odd)
    with pytest.raises(DataError, match=rf"test.oak.0\.png: {odd[0]}×{odd[1]} pixels, 12×12 .*dataset\.image_size="):
        load_image_folder(root=tmp_path)


def test_malformed_pictures_are_named_or_left_out_on_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path)
    path = tmp_path / "train" / "oak" / "1.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=r"oak.1\.png: .*\(1 of 4 pictures .*dataset\.max_bad_share=0\.25"):
        load_image_folder(root=tmp_path)
    dataset = load_image_folder(root=tmp_path, max_bad_share=0.25)
    assert dataset.train.labels.tolist() == [0, 0, 1]
    assert "oak/1.png" in caplog.text.replace("\\", "/")


def test_any_damage_to_a_picture_is_an_error_of_ours(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for suffix in ("png", "jpg", "bmp", "webp", "ppm", "tif", "gif"):
        root = write(tmp_path / suffix, suffix=suffix)
        path = root / "train" / "oak" / f"1.{suffix}"
        whole = path.read_bytes()
        messages = []
        for _ in range(20):
            damaged = bytearray(whole[: rng.integers(len(whole))])
            for position in rng.integers(max(len(damaged), 1), size=3):
                damaged[position : position + 1] = rng.bytes(1)
            path.write_bytes(damaged)
            try:
                load_image_folder(root=root, image_size=8)
            except DataError as error:
                messages.append(str(error))
        assert messages
        assert all(f"1.{suffix}: " in message for message in messages)


def test_pictures_of_more_than_eight_bits_are_not_clipped_silently(tmp_path: Path) -> None:
    write(tmp_path)
    Image.fromarray(np.full((12, 12), 40_000, np.uint16)).save(tmp_path / "train" / "ash" / "0.png")
    with pytest.raises(DataError, match="more than 8 bits"):
        load_image_folder(root=tmp_path)


def test_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train: no such folder; dataset\.root="):
        load_image_folder(root=tmp_path)
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="test: no such folder"):
        load_image_folder(root=tmp_path)
    (tmp_path / "test").mkdir()
    with pytest.raises(DataError, match="train: no class folders"):
        load_image_folder(root=tmp_path)
    write(tmp_path)
    (tmp_path / "train" / "elm").mkdir()
    with pytest.raises(DataError, match="elm: no pictures"):
        load_image_folder(root=tmp_path)
    write_picture(tmp_path / "train" / "elm" / "0.png", (12, 12))
    with pytest.raises(DataError, match="test: no usable image of class 'elm'"):
        load_image_folder(root=tmp_path)
    write_picture(tmp_path / "test" / "yew" / "0.png", (12, 12))
    with pytest.raises(DataError, match="yew: no class of that name in train"):
        load_image_folder(root=tmp_path)
