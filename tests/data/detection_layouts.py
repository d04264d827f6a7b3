"""Tiny detection data sets in the layouts of VOC, COCO and YOLO, all with the same pictures and boxes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from greenkd.data import DetectionImages
from tests.data.layouts import write_picture

Thing = tuple[str, tuple[float, float, float, float], bool]
"""A class, left, top, right, bottom in pixels, and whether it is difficult."""

SIZE = (80, 60)
# Three training pictures and two test pictures; the third one's box is difficult.
TRAIN: dict[str, list[Thing]] = {
    "a": [("cat", (10, 20, 30, 50), False), ("dog", (0, 0, 80, 60), False)],
    "b": [("dog", (40, 6, 60, 36), False)],
    "c": [("cat", (5, 5, 25, 55), True)],
}
TEST: dict[str, list[Thing]] = {"d": [("cat", (20, 15, 40, 45), False)], "e": [("dog", (1, 2, 41, 32), False)]}


def things_of(images: DetectionImages, row: int, class_names: Sequence[str]) -> list[Thing]:
    """What is stored of one picture, in pixels of its file."""
    kept = images.labels[row] >= 0
    scale = torch.tensor([*SIZE, *SIZE]) / images.size
    boxes = (images.boxes[row][kept] * scale).tolist()
    marks = zip(images.labels[row][kept].tolist(), boxes, images.difficult[row][kept].tolist(), strict=True)
    return [(class_names[label], tuple(round(value, 3) for value in box), difficult) for label, box, difficult in marks]


def voc_xml(things: Sequence[Thing], size: tuple[int, int] = SIZE) -> str:
    objects = "".join(
        f"<object><name>{name}</name><difficult>{int(difficult)}</difficult><bndbox><xmin>{left + 1}</xmin>"
        f"<ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox>"
        "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part></object>"
        for name, (left, top, right, bottom), difficult in things
    )
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    return f'<?xml version="1.0"?><annotation><filename>x.jpg</filename>{sides}{objects}</annotation>'


def write_voc(root: Path, splits: Mapping[str, Mapping[str, Sequence[Thing]]], year: str = "2007") -> Path:
    """Writes `root/VOCdevkit/VOC<year>` with the pictures of every split; returns that folder."""
    folder = root / "VOCdevkit" / f"VOC{year}"
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for split, pictures in splits.items():
        (folder / "ImageSets" / "Main" / f"{split}.txt").write_text("".join(f"{name}\n" for name in pictures))
        for seed, (name, things) in enumerate(pictures.items()):
            write_picture(folder / "JPEGImages" / f"{name}.jpg", SIZE, seed=seed + 10 * len(split))
            (folder / "Annotations" / f"{name}.xml").write_text(voc_xml(things))
    return folder


def coco_json(pictures: Mapping[str, Sequence[Thing]], names: Mapping[int, str]) -> dict[str, list[dict[str, object]]]:
    """The contents of one JSON file; categories by the numbers given."""
    numbers = {name: number for number, name in names.items()}
    images = [
        {"id": 100 + row, "file_name": f"{name}.jpg", "width": SIZE[0], "height": SIZE[1]}
        for row, name in enumerate(pictures)
    ]
    annotations: list[dict[str, object]] = []
    for row, things in enumerate(pictures.values()):
        for name, (left, top, right, bottom), difficult in things:
            box = {
                "id": len(annotations),
                "image_id": 100 + row,
                "category_id": numbers[name],
                "iscrowd": int(difficult),
            }
            annotations.append({**box, "bbox": [left, top, right - left, bottom - top], "area": 1.0})
    categories: list[dict[str, object]] = [{"id": number, "name": name} for number, name in names.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


def write_coco(root: Path, names: Mapping[int, str] = {7: "dog", 3: "cat", 0: "pets"}) -> Path:
    """Writes the layout of Roboflow: `root/<part>/_annotations.coco.json` beside the pictures."""
    for part, pictures in (("train", TRAIN), ("test", TEST)):
        for seed, name in enumerate(pictures):
            write_picture(root / part / f"{name}.jpg", SIZE, seed=seed + 10 * len(part))
        (root / part / "_annotations.coco.json").write_text(json.dumps(coco_json(pictures, names)))
    return root


def yolo_text(things: Sequence[Thing], names: Sequence[str]) -> str:
    width, height = SIZE
    return "".join(
        f"{names.index(name)} {(left + right) / 2 / width} {(top + bottom) / 2 / height} "
        f"{(right - left) / width} {(bottom - top) / height}\n"
        for name, (left, top, right, bottom), _ in things
    )


def write_yolo(root: Path, names: Sequence[str] = ("cat", "dog", "cow"), description: str | None = None) -> Path:
    """Writes `root/images/<part>`, `root/labels/<part>` and `root/data.yaml`."""
    for part, pictures in (("train", TRAIN), ("val", TEST)):
        (root / "labels" / part).mkdir(parents=True)
        for seed, (name, things) in enumerate(pictures.items()):
            write_picture(root / "images" / part / f"{name}.jpg", SIZE, seed=seed + 10 * len(part))
            (root / "labels" / part / f"{name}.txt").write_text(yolo_text(things, names))
    text = description or f"path: ../gone\ntrain: images/train\nval: images/val\nnames: {json.dumps(list(names))}\n"
    (root / "data.yaml").write_text(text)
    return root
