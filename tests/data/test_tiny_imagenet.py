import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from greenkd.data import load_tiny_imagenet
from greenkd.errors import DataError

from .layouts import write_picture, write_tiny_imagenet


def decoded(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)


@pytest.mark.parametrize("inner", ["", "tiny-imagenet-200"])
def test_reads_the_official_layout(tmp_path: Path, inner: str) -> None:
    folder = write_tiny_imagenet(tmp_path)
    dataset = load_tiny_imagenet(root=tmp_path / inner)
    # The order of wnids.txt, which is not the alphabet's.
    assert dataset.class_names == ("bell", "goldfish, Carassius auratus", "crane")
    assert dataset.train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert dataset.test.labels.tolist() == [1, 0, 2]
    for image, name in zip(dataset.train.images, ["n03_0", "n03_1", "n01_0", "n01_1", "n02_0", "n02_1"], strict=True):
        path = folder / "train" / name[:3] / "images" / f"{name}.JPEG"
        assert np.array_equal(image.numpy(), decoded(path))
    for number, image in enumerate(dataset.test.images):
        assert np.array_equal(image.numpy(), decoded(folder / "val" / "images" / f"val_{number}.JPEG"))


def test_colours_are_in_the_order_red_green_blue(tmp_path: Path) -> None:
    folder = write_tiny_imagenet(tmp_path)
    red = Image.new("RGB", (64, 64), (250, 10, 10))
    red.save(folder / "train" / "n03" / "images" / "n03_0.JPEG")
    channels = load_tiny_imagenet(root=tmp_path).train.images[0].float().mean((1, 2)).tolist()
    assert channels == pytest.approx([250, 10, 10], abs=3)


def test_grey_pictures_have_three_equal_channels(tmp_path: Path) -> None:
    folder = write_tiny_imagenet(tmp_path)
    assert Image.open(folder / "train" / "n03" / "images" / "n03_1.JPEG").mode == "L"
    image = load_tiny_imagenet(root=tmp_path).train.images[1]
    assert (image[0] == image[1]).all()
    assert (image[0] == image[2]).all()
    assert image.float().std() > 1


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_truncated_picture_is_refused_by_name_or_left_out_on_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_tiny_imagenet(tmp_path)
    truncate(folder / "train" / "n01" / "images" / "n01_1.JPEG")
    (folder / "train" / "n02" / "images" / "n02_0.JPEG").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"n01_1\.JPEG: .*\(2 of 6 pictures .*dataset\.max_bad_share=0\.3334"):
        load_tiny_imagenet(root=tmp_path)
    with pytest.raises(DataError, match="2 of 6"):
        load_tiny_imagenet(root=tmp_path, max_bad_share=0.33)
    with caplog.at_level(logging.WARNING, logger="greenkd"):
        dataset = load_tiny_imagenet(root=tmp_path, max_bad_share=0.3334)
    assert dataset.train.labels.tolist() == [0, 0, 1, 2]
    assert "2 of 6 pictures left out" in caplog.text
    assert "n01_1.JPEG" in caplog.text
    assert "n02_0.JPEG" in caplog.text


@pytest.mark.parametrize(
    "line",
    ["", "val_9.JPEG", "val_9.JPEG\tn77\t0\t0\t1\t1", "../val_0.JPEG\tn01\t0\t0\t1\t1", "\tn01", "val_9.JPEG\tn01\t0"],
)
def test_malformed_annotations_are_counted(tmp_path: Path, line: str) -> None:
    folder = write_tiny_imagenet(tmp_path)
    with (folder / "val" / "val_annotations.txt").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=r"(val_annotations\.txt:4|val_9\.JPEG): .*\(1 of 4"):
        load_tiny_imagenet(root=tmp_path)
    assert len(load_tiny_imagenet(root=tmp_path, max_bad_share=0.25).test) == 3


def test_annotations_that_are_no_text_are_an_error_of_ours(tmp_path: Path) -> None:
    folder = write_tiny_imagenet(tmp_path)
    (folder / "val" / "val_annotations.txt").write_bytes(bytes(range(256)) * 5)
    with pytest.raises(DataError, match=r"val_annotations\.txt:1"):
        load_tiny_imagenet(root=tmp_path)


def test_a_picture_of_another_size_is_malformed(tmp_path: Path) -> None:
    folder = write_tiny_imagenet(tmp_path)
    write_picture(folder / "train" / "n01" / "images" / "n01_0.JPEG", size=(64, 32))
    with pytest.raises(DataError, match=r"n01_0\.JPEG: 64×32 pixels instead of 64×64"):
        load_tiny_imagenet(root=tmp_path)


def test_a_class_without_images_is_refused_even_where_bad_ones_are_left_out(tmp_path: Path) -> None:
    folder = write_tiny_imagenet(tmp_path)
    for path in (folder / "train" / "n02" / "images").iterdir():
        truncate(path)
    with pytest.raises(DataError, match=r"train: no usable image of class 'n02'"):
        load_tiny_imagenet(root=tmp_path, max_bad_share=0.5)
    for path in (folder / "train" / "n02" / "images").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"n02.images: no \*\.JPEG in it"):
        load_tiny_imagenet(root=tmp_path, max_bad_share=0.5)


def test_a_class_without_test_images_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_imagenet(tmp_path)
    file = folder / "val" / "val_annotations.txt"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:2]))
    with pytest.raises(DataError, match=r"val: no usable image of class 'n02'"):
        load_tiny_imagenet(root=tmp_path)


@pytest.mark.parametrize("content", ["", "n01\nn01\n", "n01\n../../elsewhere\n", "n01\n..\n", "n01\nn\0\n"])
def test_a_damaged_class_list_is_refused(tmp_path: Path, content: str) -> None:
    folder = write_tiny_imagenet(tmp_path)
    (folder / "wnids.txt").write_text(content)
    with pytest.raises(DataError, match=r"wnids\.txt: "):
        load_tiny_imagenet(root=tmp_path)


def test_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: neither wnids\.txt .*dataset\.root="):
        load_tiny_imagenet(root=tmp_path / "nowhere")
    folder = write_tiny_imagenet(tmp_path)
    (folder / "val" / "val_annotations.txt").unlink()
    with pytest.raises(DataError, match=r"val_annotations\.txt: cannot be read"):
        load_tiny_imagenet(root=tmp_path)
