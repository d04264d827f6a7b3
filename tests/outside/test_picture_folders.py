"""Folders of pictures as people have them: littered by other systems, nested, re-sorted, with other endings."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from greenkd.data import load_image_folder, load_tiny_imagenet
from greenkd.errors import DataError
from tests.data.layouts import write_picture, write_tiny_imagenet
from tests.outside.pictures import APPLE_DOUBLE, LEFT_BY_SYSTEMS, SYSTEM_FOLDERS, litter, pixels, save, write_folder


def test_what_other_systems_leave_is_passed_over_counted_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clean = load_image_folder(root=write_folder(tmp_path / "clean"))
    root = write_folder(tmp_path / "littered")
    left = litter(root / "train" / "ash") + litter(root / "train")
    litter(root / "test" / "oak")
    litter(root)
    dataset = load_image_folder(root=root)
    assert (dataset.class_names, dataset.fingerprint) == (clean.class_names, clean.fingerprint)
    assert f"littered/train: {left} passed over: {left} left by other systems (" in caplog.text
    assert f"littered/test: {left // 2} passed over" in caplog.text


@pytest.mark.parametrize("name", [*LEFT_BY_SYSTEMS, *SYSTEM_FOLDERS])
def test_each_of_them_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    root = write_folder(tmp_path)
    path = root / "train" / "oak" / name
    if name in LEFT_BY_SYSTEMS:
        path.write_bytes(LEFT_BY_SYSTEMS[name])
    else:
        save(path / "0.jpg")
    assert len(load_image_folder(root=root).train) == 4
    assert f"1 passed over: 1 left by other systems (oak/{name.strip()}" in caplog.text


def test_many_are_counted_and_the_first_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = write_folder(tmp_path)
    for number in range(30):
        (root / "train" / "ash" / f"._{number:02}.png").write_bytes(APPLE_DOUBLE)
    load_image_folder(root=root)
    assert "30 left by other systems (ash/._00.png, ash/._01.png," in caplog.text
    assert "ash/._09.png and 20 more)" in caplog.text


def test_litter_hides_no_broken_picture(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    litter(root / "train" / "ash")
    broken = root / "train" / "ash" / "1.png"
    broken.write_bytes(broken.read_bytes()[:50])
    with pytest.raises(DataError, match=r"ash.1\.png: .*\(1 of 4 pictures"):
        load_image_folder(root=root)


def test_pipes_stop_nothing_and_links_that_lead_nowhere_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_folder(tmp_path)
    os.mkfifo(root / "train" / "ash" / "pipe")
    (root / "train" / "elm").symlink_to(tmp_path / "unmounted")
    load_image_folder(root=root)
    assert "1 a link that leads nowhere (elm); 1 no picture by its name (ash/pipe)" in caplog.text

    os.mkfifo(root / "train" / "ash" / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png: is no file"):
        load_image_folder(root=root)


@pytest.mark.parametrize(
    "ending",
    [".PNG", ".JPG", ".jpeg", ".JpEg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".TIFF", ".gif", ".ppm", ".pnm"],
)
def test_other_endings_and_capitals_are_read(tmp_path: Path, ending: str) -> None:
    kind = {".jfif": "JPEG", ".jpe": "JPEG", ".pnm": "PPM"}.get(ending)
    root = write_folder(tmp_path)
    save(root / "train" / "ash" / f"2{ending}", seed=5, kind=kind)
    image = load_image_folder(root=root).train.images[2].numpy().transpose(1, 2, 0)
    with Image.open(root / "train" / "ash" / f"2{ending}") as picture:
        assert np.array_equal(image, np.asarray(picture.convert("RGB")))
    if ending.lower() in (".png", ".bmp", ".tif", ".tiff", ".ppm", ".pnm"):
        assert np.array_equal(image, pixels(5))


@pytest.mark.parametrize("name", ["7", "7.picture", "7.png~", "7.jpg_original", "7.png.bak"])
def test_a_picture_under_another_name_is_named_with_the_cure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    root = write_folder(tmp_path)
    save(root / "train" / "ash" / name, kind="PNG")
    (root / "train" / "ash" / "labels.txt").write_text("no picture")
    load_image_folder(root=root)
    assert "2 passed over: " in caplog.text
    assert f"not by its name; give it .jpg, .png or another known ending to have it read (ash/{name})" in caplog.text
    assert "1 no picture by its name (ash/labels.txt)" in caplog.text


def test_pictures_that_are_hidden_or_outside_are_no_litter(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = write_folder(tmp_path)
    save(root / "train" / "ash" / ".7.png")
    save(root / "train" / "8.png")
    load_image_folder(root=root)
    assert "1 a picture with a hidden name; take the dot away to have it read (ash/.7.png)" in caplog.text
    assert "1 a picture in no class folder; move it into one to have it read (8.png)" in caplog.text


def test_a_class_of_pictures_without_endings_names_the_cure(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    for number in range(2):
        (root / "train" / "ash" / f"{number}.png").rename(root / "train" / "ash" / str(number))
    with pytest.raises(DataError, match=r"ash: no pictures .* \(ash.0 is one: give it such an ending\)"):
        load_image_folder(root=root)


@pytest.mark.parametrize("ending", [".heic", ".AVIF", ".nef"])
def test_pictures_of_a_kind_that_is_not_read_are_refused_or_left_out_on_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ending: str
) -> None:
    root = write_folder(tmp_path)
    (root / "train" / "ash" / f"7{ending}").write_bytes(b"\x00\x00\x00\x18ftypheic")
    with pytest.raises(DataError, match=rf"7{ending}: .*convert it to PNG or JPEG \(1 of 5 .*max_bad_share=0\.2"):
        load_image_folder(root=root)
    assert len(load_image_folder(root=root, max_bad_share=0.2).train) == 4
    assert f"7{ending}" in caplog.text


@pytest.mark.parametrize("kind", ["TIFF", "GIF"])
def test_a_file_of_several_pictures_is_not_cut_to_the_first_one(tmp_path: Path, kind: str) -> None:
    root = write_folder(tmp_path)
    pages = [Image.fromarray(pixels(seed)) for seed in range(3)]
    pages[0].save(root / "train" / "ash" / f"7.{kind.lower()}", format=kind, save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match=r"7\.\w+: holds 3 pictures"):
        load_image_folder(root=root)


def test_pictures_in_folders_inside_a_class_folder_are_read(tmp_path: Path) -> None:
    flat = load_image_folder(root=write_folder(tmp_path / "flat"))
    root = write_folder(tmp_path / "nested")
    for part in ("train", "test"):
        for name in ("ash", "oak"):
            for number in range(2):
                inside = root / part / name / f"session {number}" / "images"
                inside.mkdir(parents=True)
                (root / part / name / f"{number}.png").rename(inside / f"{number}.png")
    litter(root / "train" / "ash" / "session 0")
    (root / "train" / "ash" / "session 0" / "back").symlink_to(root / "train" / "ash")
    assert load_image_folder(root=root).fingerprint == flat.fingerprint


@pytest.mark.parametrize("train", ["train", "Train", "TRAIN", "training"])
@pytest.mark.parametrize("test", ["test", "Test", "testing", "val", "valid", "Validation"])
def test_the_parts_have_the_names_that_people_give_them(tmp_path: Path, train: str, test: str) -> None:
    expected = load_image_folder(root=write_folder(tmp_path / "as_written"))
    root = write_folder(tmp_path / "as_found", parts=(train, test))
    assert load_image_folder(root=root).fingerprint == expected.fingerprint


def test_parts_that_are_not_read_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = write_folder(tmp_path)
    write_folder(root, parts=("val", "test"))
    load_image_folder(root=root)
    assert "1 passed over: 1 beside the folders that are read (val/)" in caplog.text


def test_layouts_that_cannot_be_read_name_the_cure_that_fits(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set")
    with pytest.raises(DataError, match=r"give the folder inside it, dataset\.root=.*set$"):
        load_image_folder(root=tmp_path)
    with pytest.raises(DataError, match=r"give the folder above it, dataset\.root=.*set$"):
        load_image_folder(root=root / "train")

    # The classes themselves
    shutil.copytree(root / "train", tmp_path / "classes" / "all")
    with pytest.raises(DataError, match=r"holds the classes themselves \(ash, oak\): move about a fifth"):
        load_image_folder(root=tmp_path / "classes" / "all")

    # No test part
    shutil.copytree(root / "train", tmp_path / "half" / "train")
    with pytest.raises(DataError, match=r"test: no such folder.*move about a fifth of every class's pictures"):
        load_image_folder(root=tmp_path / "half")

    # A test part without labels, as competitions have it
    write_folder(tmp_path / "contest", parts=("train", "val"))
    save(tmp_path / "contest" / "test" / "1.png")
    with pytest.raises(DataError, match=r"no class folders in it, but 1 pictures \(1\.png.*to have val taken"):
        load_image_folder(root=tmp_path / "contest")

    # Not unpacked
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", root)
    with pytest.raises(DataError, match="is a file; unpack it"):
        load_image_folder(root=Path(archive))


def resort(folder: Path, *, inner: str, annotations: bool) -> None:
    """Sorts the validation part of Tiny ImageNet into class folders, as many scripts do."""
    file = folder / "val" / "val_annotations.txt"
    for line in file.read_text().splitlines():
        name, wnid = line.split("\t")[:2]
        (folder / "val" / wnid / inner).mkdir(parents=True, exist_ok=True)
        (folder / "val" / "images" / name).rename(folder / "val" / wnid / inner / name)
    (folder / "val" / "images").rmdir()
    if not annotations:
        file.unlink()


@pytest.mark.parametrize("inner", ["", "images"])
@pytest.mark.parametrize("annotations", [True, False])
def test_a_resorted_tiny_imagenet_is_the_same_data_set(tmp_path: Path, inner: str, annotations: bool) -> None:
    official = load_tiny_imagenet(root=write_tiny_imagenet(tmp_path / "official"))
    folder = write_tiny_imagenet(tmp_path / "resorted")
    resort(folder, inner=inner, annotations=annotations)
    litter(folder / "val" / "n01")
    for wnid in ("n01", "n02", "n03"):
        for path in (folder / "train" / wnid / "images").iterdir():
            path.rename(folder / "train" / wnid / path.name)
    assert load_tiny_imagenet(root=folder).fingerprint == official.fingerprint


def test_litter_in_tiny_imagenet_is_passed_over_and_pictures_without_a_class_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    official = load_tiny_imagenet(root=write_tiny_imagenet(tmp_path / "official"))
    assert caplog.text == ""
    folder = write_tiny_imagenet(tmp_path / "littered")
    (folder / "train" / "n01" / "images" / "._n01_0.JPEG").write_bytes(APPLE_DOUBLE)
    write_picture(folder / "train" / "n99" / "images" / "n99_0.JPEG")
    write_picture(folder / "val" / "images" / "val_77.JPEG")
    assert load_tiny_imagenet(root=folder).fingerprint == official.fingerprint
    assert "1 left by other systems (n01/images/._n01_0.JPEG)" in caplog.text
    assert "1 of no class in wnids.txt (n99/)" in caplog.text
    assert "1 named by no line of val_annotations.txt (images/val_77.JPEG)" in caplog.text


def test_a_picture_that_lies_in_another_class_than_annotated_is_malformed(tmp_path: Path) -> None:
    folder = write_tiny_imagenet(tmp_path)
    resort(folder, inner="", annotations=True)
    (folder / "val" / "n01" / "val_0.JPEG").rename(folder / "val" / "n02" / "val_0.JPEG")
    with pytest.raises(DataError, match=r"val_annotations\.txt:1: val_0\.JPEG is of class n01, but lies in .*n02"):
        load_tiny_imagenet(root=folder)
