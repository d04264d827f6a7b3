"""Ultralytics' layout: where pictures are found, and everything that can be wrong with a line."""

from pathlib import Path

import pytest

from greenkd.anchors import ANCHOR_GRIDS
from greenkd.data import DetectionDataset, load_yolo_folder
from greenkd.errors import DataError
from tests.data.detection_layouts import SIZE, TEST, TRAIN, Thing, things_of, write_yolo
from tests.data.layouts import write_picture

ANCHORS = ANCHOR_GRIDS["ssdlite300"]


def load(root: Path, **settings: object) -> DetectionDataset:
    return load_yolo_folder(root=root, anchors=ANCHORS, **{"max_bad_share": 0.0, "store_size": 40, **settings})


def check(dataset: DetectionDataset) -> None:
    def easy(things: list[Thing]) -> list[Thing]:
        return [(name, corners, False) for name, corners, _ in things]  # labels know no difficult boxes

    assert dataset.class_names == ("cat", "dog")
    assert [things_of(dataset.train, row, dataset.class_names) for row in range(3)] == [*map(easy, TRAIN.values())]
    assert [things_of(dataset.test, row, dataset.class_names) for row in range(2)] == [*map(easy, TEST.values())]


def test_reads_pictures_and_labels(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check(load(write_yolo(tmp_path)))
    assert caplog.messages == [f"{tmp_path}/data.yaml: 1 classes have no box and are left out: cow"]
    check(load(tmp_path / "data.yaml"))


@pytest.mark.parametrize(
    "description",
    [
        "train: images/train\nval: images/val\ntest:\nnames:\n  0: cat\n  1: dog\n  2: cow\n",
        "train: ../images/train\nval: ../images/val\nnc: 3\nnames: [cat, dog, cow]\n",  # Roboflow's
        "path: images\ntrain: train\nval: val\nnames: [cat, dog, cow]\n",
        "train: [images/train]\nval: nowhere\ntest: images/val\nnames: [cat, dog, cow]\n",
        "train: train.txt\nval: images/val\nnames: [cat, dog, cow]\n",
    ],
)
def test_finds_pictures_in_every_form_of_the_description(tmp_path: Path, description: str) -> None:
    write_yolo(tmp_path, description=description)
    (tmp_path / "train.txt").write_text("".join(f"./images/train/{name}.jpg\n" for name in TRAIN))
    check(load(tmp_path))


def test_a_polygon_becomes_its_box_and_no_label_is_background(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    write_yolo(tmp_path)
    (tmp_path / "labels" / "train" / "b.txt").write_text("1 0.5 0.1 0.75 0.6 0.6 0.3\n\n")
    write_picture(tmp_path / "images" / "train" / "z.jpg", SIZE)
    dataset = load(tmp_path)
    assert things_of(dataset.train, 1, dataset.class_names) == [("dog", (40, 6, 60, 36), False)]
    assert things_of(dataset.train, 3, dataset.class_names) == []
    assert f"{tmp_path}/data.yaml: train: 1 of 4 pictures have no label file; they are background" in caplog.messages


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0 0.1", r"1 of 4 boxes .*: 1 of no area \(.*b\.jpg\)"),
        ("0 0.5 0.5 nan 0.1", "1 of no area"),
        ("0 1.5 0.5 0.1 0.1", "1 outside their pictures"),
        ("0 0.99 0.5 0.1 0.1", "1 over the edge of their pictures"),
        ("0 40 30 20 10", "1 outside their pictures"),  # pixels
        ("7 0.5 0.5 0.1 0.1", r"1 of class 7, of which data\.yaml names 0 to 2, \(.*b\.txt:1\)"),
        ("0.5 0.5 0.5 0.1 0.1", "1 of class 0.5"),
        ("0 0.5 0.5 0.1", "1 of neither five numbers nor a class and the corners of a polygon"),
        ("0 0.5 0.5 0.1 0.1 0.9", "1 of neither five numbers"),
        ("cat 0.5 0.5 0.1 0.1", r"1 that are no numbers \(.*b\.txt:1\)"),
        (b"\xff\xfe\x00", r"1 of 3 pictures .*with an annotation that cannot be read \(.*b\.txt"),
    ],
)
def test_what_is_wrong_is_counted_named_and_refused(
    tmp_path: Path, line: str | bytes, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_yolo(tmp_path)
    content = line if isinstance(line, bytes) else line.encode()
    (tmp_path / "labels" / "train" / "b.txt").write_bytes(content)
    with pytest.raises(DataError, match=message) as refusal:
        load(tmp_path)
    assert f"{tmp_path}/data.yaml: train: 1 of" in str(refusal.value)
    load(tmp_path, max_bad_share=0.9)
    assert any("cannot be used as they are" in text for text in caplog.messages)


def test_labels_without_a_picture_are_missing_pictures(tmp_path: Path) -> None:
    write_yolo(tmp_path)
    (tmp_path / "images" / "train" / "b.jpg").unlink()
    (tmp_path / "labels" / "train" / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(DataError, match=r"1 of 3 pictures .*: 1 without a file \(.*labels/train/b\.txt\)"):
        load(tmp_path)
    assert len(load(tmp_path, max_bad_share=0.4).train) == 2


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (": [", r"data\.yaml: is no YAML"),
        ("[1]", "holds no settings"),
        ("train: images/train\nval: images/val\n", r"names=None: give a list of names"),
        ("train: images/train\nval: images/val\nnames: {0: cat, 2: dog}\n", "names="),
        ("train: images/train\nval: images/val\nnc: 2\nnames: [a, b, c]\n", "nc=2, but there are 3 names"),
        ("train: images/train\nnames: [a, b, c]\n", r"val=None: give a folder of pictures"),
        (
            "train: photos\nval: images/val\nnames: [a, b, c]\n",
            r"photos: no such file or folder; looked for .*/photos\.",
        ),
        ("train: labels\nval: images/val\nnames: [a, b, c]\n", r"train='labels': no picture there"),
        ("train: images\nval: images/val\nnames: [a, b, c]\n", r"2 pictures are both in train and in val"),
        ("train: bare\nval: images/val\nnames: [a, b, c]\n", r"no label file for any of 1 pictures; .*bare/x\.txt"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(tmp_path: Path, description: str, message: str) -> None:
    write_yolo(tmp_path, description=description)
    write_picture(tmp_path / "bare" / "x.jpg", SIZE)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_a_folder_without_a_description_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no data\.yaml in it"):
        load(tmp_path)
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text("")
    with pytest.raises(DataError, match=r"there are one\.yaml, two\.yaml: give one of them as dataset\.root"):
        load(tmp_path)
