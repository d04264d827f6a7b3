"""VOC's layout: what is read, what is refused, and how archives become a folder."""

import dataclasses
import functools
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torchvision.datasets.voc import DATASET_YEAR_DICT

from greenkd.anchors import ANCHOR_GRIDS
from greenkd.data import DetectionDataset, load_voc, voc_archives
from greenkd.data.voc import CLASS_NAMES
from greenkd.errors import DataError
from tests.data.detection_layouts import SIZE, TEST, TRAIN, Thing, things_of, voc_xml, write_voc
from tests.data.layouts import write_picture

ANCHORS = ANCHOR_GRIDS["ssdlite300"]


def every_class(prefix: str) -> dict[str, list[Thing]]:
    """One picture with a box of each of the twenty classes."""
    return {prefix: [(name, (2, 3, 20 + row, 30 + row), False) for row, name in enumerate(CLASS_NAMES)]}


def load(root: Path, **settings: object) -> DetectionDataset:
    arguments = {"splits": ("2007train",), "test_split": "2007val", "max_bad_share": 0.0, **settings}
    return load_voc(root=root, anchors=ANCHORS, **arguments)


def boxes_of(dataset: DetectionDataset, row: int, part: str = "train") -> list[Thing]:
    return things_of(getattr(dataset, part), row, CLASS_NAMES)


@pytest.mark.parametrize("inner", ["", "VOCdevkit"])
def test_reads_pictures_boxes_and_difficulties(tmp_path: Path, inner: str) -> None:
    write_voc(tmp_path, {"train": every_class("z") | TRAIN, "val": TEST})
    dataset = load(tmp_path / inner)
    assert dataset.class_names == CLASS_NAMES
    assert dataset.train.images.shape == (4, 3, 300, 300)
    for row, things in enumerate(TRAIN.values(), start=1):
        assert boxes_of(dataset, row) == things
    assert [boxes_of(dataset, row, "test") for row in (0, 1)] == list(TEST.values())
    assert load(tmp_path, store_size=384).test.images.shape == (2, 3, 384, 384)
    assert load(tmp_path).fingerprint == dataset.fingerprint


def test_reads_two_years_and_the_folders_of_separate_archives(tmp_path: Path) -> None:
    write_voc(tmp_path, {"trainval": every_class("z")})
    write_voc(tmp_path, {"trainval": {"2012_a": TRAIN["a"]}}, year="2012")
    write_voc(tmp_path / "VOCtest_06-Nov-2007", {"test": TEST})
    dataset = load_voc(root=tmp_path, anchors=ANCHORS)
    assert [len(dataset.train), len(dataset.test)] == [2, 2]
    assert boxes_of(dataset, 1) == TRAIN["a"]


def test_a_cut_is_said_to_be_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_voc(tmp_path, {"train": every_class("z"), "mine": TEST})
    load(tmp_path, test_split="2007mine")
    assert [line for line in caplog.messages if "cut" in line] == [
        f"{tmp_path}/VOCdevkit/VOC2007/ImageSets/Main/train.txt: 1 pictures, the published split has 2501: a cut"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>", r"1 of 5 pictures .* with an annotation that cannot be read \(.*a\.xml: broken XML"),
        ("<html></html>", r"its outermost element is not <annotation>"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "it declares a document type"),
        ("<annotation>\ud800</annotation>", "not in UTF-8"),
        (None, r"a\.xml: No such file"),
        (voc_xml([("unicorn", (1, 1, 5, 5), False)]), r"of class 'unicorn', which VOC does not have, \(.*a\.xml\)"),
        (voc_xml([("cat", (5, 5, 5, 9), False)]), r"1 of 24 boxes .* 1 of no area \(.*a\.jpg\)"),
        (voc_xml([("cat", (5, 5, 4, 9), False)]), "of no area"),
        (voc_xml([("cat", (90, 5, 99, 9), False)]), "1 outside their pictures"),
        (voc_xml([("cat", (-9, 5, 0, 9), False)]), "1 outside their pictures"),
        (voc_xml([("cat", (70, 5, 83, 9), False)]), "1 over the edge of their pictures by more than a pixel"),
        (voc_xml([("cat", (1, 1, 5, 5), False)]).replace("<ymax>5</ymax>", ""), "1 without four numbers"),
        (voc_xml([("cat", (1, 1, 5, 5), False)]).replace("<ymax>5<", "<ymax>nan<"), "1 without four numbers"),
        (voc_xml([("cat", (1, 1, 5, 5), False)], size=(60, 80)), "it has 80×60 pixels, its annotation is for 60×80"),
    ],
)
def test_what_is_wrong_is_counted_named_and_refused(
    tmp_path: Path, text: str | None, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_voc(tmp_path, {"train": every_class("z") | TRAIN | {"f": TRAIN["b"]}, "val": TEST})
    annotation = folder / "Annotations" / "a.xml"
    if text is None:
        annotation.unlink()
    else:
        annotation.write_bytes(text.encode("utf-8", "surrogatepass"))

    with pytest.raises(DataError, match=message) as refusal:
        load(tmp_path)
    assert "2007train" in str(refusal.value)

    # With the share that the message names, the rest is read, and the log says the same.
    share = float(str(refusal.value).partition("dataset.max_bad_share=")[2].split()[0])
    dataset = load(tmp_path, max_bad_share=share)
    assert boxes_of(dataset, len(dataset.train) - 1) == TRAIN["b"]
    assert any("cannot be used as they are" in line for line in caplog.messages)
    with pytest.raises(DataError, match=message):
        load(tmp_path, max_bad_share=share - 0.001)


def test_missing_and_broken_pictures_are_told_apart(tmp_path: Path) -> None:
    folder = write_voc(tmp_path, {"train": every_class("z") | TRAIN, "val": TEST})
    (folder / "JPEGImages" / "b.jpg").unlink()
    (folder / "JPEGImages" / "c.jpg").write_bytes(b"no picture")
    with pytest.raises(
        DataError, match=r"2 of 4 pictures .*1 without a file \(.*b\.jpg\); 1 that cannot be read \(.*c"
    ):
        load(tmp_path)
    dataset = load(tmp_path, max_bad_share=0.5)
    assert [boxes_of(dataset, row) for row in (1,)] == [TRAIN["a"]]


def test_a_box_over_the_edge_is_cut(tmp_path: Path) -> None:
    things: list[Thing] = [("cat", (-0.5, 5, 80.9, 60), False)]  # by less than a pixel: nothing to speak of
    write_voc(tmp_path, {"train": every_class("z") | {"a": things}, "val": TEST})
    assert boxes_of(load(tmp_path), 1) == [("cat", (0, 5, 80, 60), False)]


def test_grey_and_turned_pictures_are_read_as_they_look(tmp_path: Path) -> None:
    folder = write_voc(tmp_path, {"train": every_class("z"), "val": TEST})
    write_picture(folder / "JPEGImages" / "d.jpg", SIZE, mode="L")
    grey = load(tmp_path).test.images[0]
    assert torch.equal(grey[0], grey[1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"splits": ("2007train", "2007both")}, r"a of VOC2007 is in 2007train and in 2007both"),
        ({"test_split": "2007both"}, r"a of VOC2007 is in 2007train and in 2007both"),
        (
            {"test_split": "2007test"},
            r"no VOCdevkit/VOC2007/ImageSets/Main/test\.txt .*unpack VOCtest_06-Nov-2007\.tar",
        ),
        ({"test_split": "2011test"}, r"VOC2011/.*published are 2007train, 2007val"),
        ({"test_split": "2007empty"}, r"empty\.txt: no picture, or one of them twice"),
        ({"test_split": "2007twice"}, r"twice\.txt: no picture, or one of them twice"),
        ({"test_split": "2007outside"}, r"outside\.txt: '\.\./a' is no picture's name"),
        ({"splits": ("2007some",)}, "no box of class 'aeroplane'"),
    ],
)
def test_refuses_splits_that_make_no_sense(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    folder = write_voc(tmp_path, {"train": every_class("z") | TRAIN, "val": TEST, "both": TRAIN, "some": TRAIN})
    for name, text in (("empty", "\n"), ("twice", "d\nd\n"), ("outside", "../a\n")):
        (folder / "ImageSets" / "Main" / f"{name}.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        load(tmp_path, **settings)


# Archives


def test_addresses_and_sums_are_those_that_torchvision_checks() -> None:
    for key, archive in voc_archives.ARCHIVES.items():
        published = DATASET_YEAR_DICT[key]
        # The host has changed between versions of torchvision.
        assert archive.url.partition("/pascal/")[2] == published["url"].partition("/pascal/")[2]
        assert archive.file_name == published["filename"]
        assert archive.md5 == published["md5"]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serves a folder on this machine in the place of the official one."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        for key, archive in voc_archives.ARCHIVES.items():
            publish(monkeypatch, key, url=f"http://127.0.0.1:{httpd.server_port}/{archive.file_name}")
        yield folder
        httpd.shutdown()


def publish(monkeypatch: pytest.MonkeyPatch, key: str, **changes: str) -> None:
    """Changes what is known of an archive."""
    archives = voc_archives.ARCHIVES
    monkeypatch.setitem(archives, key, dataclasses.replace(archives[key], **changes))


def pack(source: Path, target: Path, *extra: tarfile.TarInfo) -> str:
    """Packs a devkit as the official archives are, and returns the sum."""
    with tarfile.open(target, "w") as tar:
        for info in extra:
            tar.addfile(info, io.BytesIO(bytes(info.size)))
        tar.add(source / "VOCdevkit", "VOCdevkit")
    return hashlib.md5(target.read_bytes()).hexdigest()


def test_downloads_both_archives_of_a_year_into_one_folder(
    tmp_path: Path, server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainval, test, _ = voc_archives.ARCHIVES.values()
    write_voc(tmp_path / "x", {"train": every_class("z"), "val": {}, "trainval": every_class("z") | TRAIN})
    write_voc(tmp_path / "y", {"test": TEST})
    root, settings = tmp_path / "data", {"splits": ("2007trainval",), "test_split": "2007test", "download": True}

    pack(tmp_path / "x", server / trainval.file_name)
    with pytest.raises(DataError, match=r"download into .*data failed \(its MD5 sum is \w+, published is c52e"):
        load(root, **settings)
    assert not list(root.glob("*.tar"))

    other = tarfile.TarInfo("VOCdevkit/VOC2007/SegmentationClass/a.png")
    other.size = 5
    for key, archive, source in (("2007", trainval, "x"), ("2007-test", test, "y")):
        publish(monkeypatch, key, md5=pack(tmp_path / source, server / archive.file_name, other))
    dataset = load(root, **settings)
    assert [len(dataset.train), len(dataset.test)] == [4, 2]
    assert {path.name for path in (root / "VOCdevkit" / "VOC2007").iterdir()} == {
        *("Annotations", "ImageSets", "JPEGImages")
    }
    assert not list(root.glob("*.unpacked"))

    # What is there is not fetched again; an archive that lies there is unpacked without being fetched.
    (server / trainval.file_name).unlink()
    (server / test.file_name).rename(root / test.file_name)
    assert load(root, **settings).fingerprint == dataset.fingerprint
    (root / "VOCdevkit" / "VOC2007" / "ImageSets" / "Main" / "test.txt").unlink()
    with pytest.raises(
        DataError, match=r"VOCtest_06-Nov-2007\.tar is there: dataset\.download=true checks and unpacks"
    ):
        load(root, **{**settings, "download": False})
    assert load(root, **settings).fingerprint == dataset.fingerprint

    (root / test.file_name).write_bytes(b"half of it")
    (root / "VOCdevkit" / "VOC2007" / "ImageSets" / "Main" / "test.txt").unlink()
    with pytest.raises(
        DataError, match=r"test_06-Nov-2007\.tar: its MD5 sum is .*take it away to have it fetched again"
    ):
        load(root, **settings)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_an_archive_that_would_lead_elsewhere_is_refused(
    tmp_path: Path, server: Path, kind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, root = voc_archives.ARCHIVES["2007"], tmp_path / "data"
    write_voc(tmp_path / "x", {"trainval": every_class("z")})
    harmful = tarfile.TarInfo("VOCdevkit/VOC2007/JPEGImages/z.jpg")
    harmful.type, harmful.linkname = kind, "/etc/passwd"
    publish(monkeypatch, "2007", md5=pack(tmp_path / "x", server / archive.file_name, harmful))
    with pytest.raises(DataError, match="a link, a device or a sparse file"):
        load(root, splits=("2007trainval",), test_split="2007test", download=True)
    assert not (root / "VOCdevkit").exists()


def test_an_archive_that_leaves_its_folder_is_refused(
    tmp_path: Path, server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = voc_archives.ARCHIVES["2007"]
    write_voc(tmp_path / "x", {"trainval": every_class("z")})
    harmful = tarfile.TarInfo("VOCdevkit/VOC2007/JPEGImages/../../../../outside")
    publish(monkeypatch, "2007", md5=pack(tmp_path / "x", server / archive.file_name, harmful))
    with pytest.raises(DataError, match="a path that leaves the archive"):
        load(tmp_path / "data", splits=("2007trainval",), test_split="2007test", download=True)
    assert not (tmp_path / "outside").exists()


@pytest.mark.real_data
def test_reads_the_real_cut(real_data: Path) -> None:
    dataset = load(real_data / "voc")
    present = [part.labels >= 0 for part in (dataset.train, dataset.test)]
    assert [len(dataset.train), len(dataset.test)] == [200, 100]
    assert sum(int(places.sum()) for places in present) == 1072
    assert int(dataset.train.difficult.sum() + dataset.test.difficult.sum()) == 231
