"""COCO JSON: the two layouts, explicit paths, and everything that can be wrong with an entry."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from greenkd.anchors import ANCHOR_GRIDS
from greenkd.data import DetectionDataset, load_coco_folder
from greenkd.errors import DataError
from tests.data.detection_layouts import SIZE, TEST, TRAIN, coco_json, things_of, write_coco
from tests.data.layouts import write_picture

ANCHORS = ANCHOR_GRIDS["ssdlite300"]


def load(root: Path, **settings: object) -> DetectionDataset:
    return load_coco_folder(root=root, anchors=ANCHORS, **{"max_bad_share": 0.0, "store_size": 40, **settings})


def check(dataset: DetectionDataset) -> None:
    assert dataset.class_names == ("cat", "dog")  # by the categories' numbers, 3 and 7
    assert [things_of(dataset.train, row, dataset.class_names) for row in range(3)] == list(TRAIN.values())
    assert [things_of(dataset.test, row, dataset.class_names) for row in range(2)] == list(TEST.values())


def change(file: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def test_reads_roboflows_layout_and_leaves_out_a_class_without_boxes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check(load(write_coco(tmp_path)))
    assert caplog.messages == [f"{tmp_path}: 1 classes have no box and are left out: pets"]
    assert load(tmp_path, store_size=None, in_channels=1).train.images.shape == (3, 1, 300, 300)


@pytest.mark.parametrize("folder", ["{}", "images/{}", "images"])
def test_reads_cocos_own_layout(tmp_path: Path, folder: str) -> None:
    (tmp_path / "annotations").mkdir()
    for part, pictures in (("train2017", TRAIN), ("val2017", TEST)):
        names = {3: "cat", 7: "dog"}
        (tmp_path / "annotations" / f"instances_{part}.json").write_text(json.dumps(coco_json(pictures, names)))
        for name in pictures:
            write_picture(tmp_path / folder.format(part) / f"{name}.jpg", SIZE)
    check(load(tmp_path))


def test_reads_places_that_are_named(tmp_path: Path) -> None:
    write_coco(tmp_path)
    (tmp_path / "train" / "_annotations.coco.json").rename(tmp_path / "one.json")
    (tmp_path / "test" / "_annotations.coco.json").rename(tmp_path / "two.json")
    with pytest.raises(DataError, match=r"neither train/\*\.json nor .*there are one\.json, two\.json; give dataset\."):
        load(tmp_path)
    named = {"train_annotations": Path("one.json"), "test_annotations": Path("two.json")}
    check(load(tmp_path, **named, train_images=Path("train"), test_images=Path("test")))
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        load(tmp_path, **named, train_images=Path("nowhere"))
    with pytest.raises(DataError, match=r"dataset\.train_annotations=three\.json: no such file"):
        load(tmp_path, **{**named, "train_annotations": Path("three.json")})


def _set(part: str, row: int, key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda content: content[part][row].__setitem__(key, value)


def _without(part: str, row: int, key: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content[part][row].pop(key)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_set("annotations", 0, "bbox", [10, 20, 0, 5]), r"1 of 4 boxes .*: 1 of no area \(.*a\.jpg\)"),
        (_set("annotations", 0, "bbox", [10, 20, -5, 5]), "1 of no area"),
        (_set("annotations", 0, "bbox", [float("nan"), 20, 5, 5]), "1 of no area"),
        (_set("annotations", 0, "bbox", [99, 20, 5, 5]), "1 outside their pictures"),
        (_set("annotations", 0, "bbox", [70, 20, 15, 5]), "1 over the edge of their pictures"),
        (_set("annotations", 0, "bbox", [1, 2, 3]), r"1 whose bbox\.3 is not COCO's \(box 0\)"),
        (_set("annotations", 0, "bbox", "all"), r"1 whose bbox is not COCO's \(box 0\)"),
        (_set("annotations", 0, "category_id", 99), r"1 of category 99, which is not listed, \(picture 100\)"),
        (_set("annotations", 0, "image_id", 99), r"1 of a picture that is not listed \(picture 99\)"),
        (_without("annotations", 0, "image_id"), r"1 whose image_id is not COCO's \(box 0\)"),
        (_set("images", 1, "file_name", "gone.jpg"), r"1 of 3 pictures .*: 1 without a file \(.*gone\.jpg\)"),
        (_set("images", 1, "file_name", "../test/d.jpg"), r"1 whose name leads out of their folder"),
        (_set("images", 1, "file_name", "/etc/passwd"), r"1 whose name leads out of their folder"),
        (_set("images", 1, "width", 79), r"80×60 pixels, its annotation is for 79×60"),
        (_set("images", 1, "id", 102), r"1 with a number that another has \(c\.jpg\)"),
        (_without("images", 1, "file_name"), r"1 whose file_name is not COCO's \(picture 1\)"),
    ],
)
def test_what_is_wrong_is_counted_named_and_refused(
    tmp_path: Path, edit: Callable[[dict[str, Any]], None], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = write_coco(tmp_path) / "train" / "_annotations.coco.json"
    change(file, edit)
    with pytest.raises(DataError, match=message) as refusal:
        load(tmp_path)
    assert str(file) in str(refusal.value)
    assert "dataset.max_bad_share=" in str(refusal.value)

    dataset = load(tmp_path, max_bad_share=0.9)
    assert len(dataset.train) >= 2
    assert any("cannot be used as they are" in line for line in caplog.messages)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"_annotations\.coco\.json: is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "no list 'images' in it; COCO's format"),
        ('{"images": [], "annotations": {}, "categories": []}', "no list 'annotations'"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1}]}', r"categories\.0\.name: Field required"),
        ('{"images": [], "annotations": [], "categories": []}', "no box in any of 0 pictures"),
    ],
)
def test_a_file_that_is_not_cocos_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (write_coco(tmp_path) / "train" / "_annotations.coco.json").write_text(text)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_classes_have_to_agree(tmp_path: Path) -> None:
    test = write_coco(tmp_path) / "test" / "_annotations.coco.json"
    change(test, _set("categories", 0, "name", "cow"))
    with pytest.raises(DataError, match=r"category 7 is 'cow', and 'dog' in another place"):
        load(tmp_path)

    change(test, lambda content: content["categories"].__setitem__(0, {"id": 8, "name": "cow"}))
    change(test, _set("annotations", 1, "category_id", 8))
    with pytest.raises(DataError, match=r"1 classes have boxes in the test part and none in the training part \(cow\)"):
        load(tmp_path)


def test_two_classes_of_one_name_are_refused_if_both_have_boxes(tmp_path: Path) -> None:
    write_coco(tmp_path, {7: "dog", 3: "cat", 0: "cat"})
    change(tmp_path / "train" / "_annotations.coco.json", _set("annotations", 0, "category_id", 3))
    with pytest.raises(DataError, match="two classes are named 'cat'"):
        load(tmp_path)


def test_several_files_of_one_part_are_asked_about(tmp_path: Path) -> None:
    folder = write_coco(tmp_path) / "train"
    (folder / "_annotations.coco.json").rename(folder / "a.json")
    (folder / "b.json").write_text("{}")
    with pytest.raises(
        DataError, match=r"train/a\.json, train/b\.json could be meant; give dataset\.train_annotations"
    ):
        load(tmp_path)
