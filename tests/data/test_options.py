import math
import sys
from pathlib import Path

import pytest

from greenkd.anchors import ANCHOR_GRIDS
from greenkd.data import (
    Augmentation,
    DatasetOptions,
    DetectionAugmentation,
    DetectionOptions,
    GeneratedShape,
    channel_statistics,
    check_config,
    load,
)
from greenkd.errors import ConfigError, DataError

SMALL = {"name": "g", "_target_": "greenkd.data.load_generated", "image_size": 8, "train_per_class": 4}


def test_splits_common_keys_from_the_targets_own() -> None:
    options, dataset = load({**SMALL, "in_channels": 1, "validation_fraction": 0.3, "augmentation": {"flip": True}})
    assert dataset.image_size == 8
    assert len(dataset.train) == 40
    assert options.validation_fraction == 0.3
    assert options.augmentation == Augmentation(0, True, 0.0)
    assert options.generated == GeneratedShape(10, 3, 32)


def test_null_statistics_are_computed_from_the_training_part() -> None:
    options, dataset = load({**SMALL, "mean": None, "std": None})
    assert (options.mean, options.std) == channel_statistics(dataset.train.images)


def test_given_statistics_are_kept() -> None:
    options, _ = load({**SMALL, "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]})
    assert options.mean == (0.1, 0.2, 0.3)
    assert options.std == (0.4, 0.5, 0.6)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("validation_fraction", 0.0),
        ("validation_fraction", 1.0),
        ("validation_fraction", math.nan),
        ("split_seed", "x"),
        ("mean", [0.1]),
        ("std", [0.1, 0.2]),
        ("std", [0.0, 0.1, 0.1]),
        ("mean", [0.1, math.nan, 0.1]),
        ("name", "../up"),
        ("augmentation", {"crop": 4}),
        ("augmentation", {"rotation_deg": -5}),
        ("generated", {"in_channels": 2}),
        ("train_per_class", 0),
        ("noise", 1.5),
        ("image_sise", 8),
    ],
)
def test_refuses_a_value_and_names_its_key(key: str, value: object) -> None:
    mean_too = {"mean": [0.1] * 3, "std": [0.1] * 3} if key in ("mean", "std") else {}
    with pytest.raises(ConfigError, match=rf"dataset\.{key}"):
        load({**SMALL, **mean_too, key: value})


@pytest.mark.parametrize(("key", "value"), [("split_seed", "x"), ("verify", "perhaps"), ("verfy", True)])
def test_options_are_checked_without_reading_files(key: str, value: object, conf_dataset) -> None:
    config = conf_dataset("cifar10", data_dir="nothing here")
    check_config(config)
    with pytest.raises(ConfigError, match=rf"dataset\.{key}"):
        check_config({**config, key: value})


def test_refuses_a_mean_without_a_standard_deviation() -> None:
    with pytest.raises(ConfigError, match=r"dataset\.std=\[\]: 0 values for images of 3 channels"):
        load({**SMALL, "mean": [0.1] * 3})


ALL = ["digits", "cifar10", "cifar100", "tiny_imagenet", "image_folder", "generated"]
DETECTION = ["digit_scenes", "voc", "coco_folder", "yolo_folder"]


def test_every_option_is_tested() -> None:
    assert sorted(path.stem for path in (Path(__file__).parents[2] / "conf" / "dataset").glob("*.yaml")) == sorted(
        [*ALL, *DETECTION]
    )


@pytest.mark.parametrize("name", ALL)
def test_every_option_runs_in_smoke_mode_without_files(name: str, conf_dataset, tmp_path: Path) -> None:
    config = conf_dataset(name, data_dir=tmp_path / "nothing here")
    options, dataset = load(config, smoke=True)
    assert options.name == name
    assert len(options.mean) == len(options.std) == dataset.in_channels
    shape = options.generated
    assert (dataset.num_classes, dataset.in_channels, dataset.image_size) == (
        shape.num_classes,
        shape.in_channels,
        shape.image_size,
    )
    assert (len(dataset.train), len(dataset.test)) == (9, 6)
    assert len(dataset.train.labels.unique()) == len(dataset.test.labels.unique()) == 3


@pytest.mark.parametrize("name", DETECTION)
def test_every_option_of_detection_runs_in_smoke_mode_without_files(name: str, conf_dataset, tmp_path: Path) -> None:
    config = conf_dataset(name, data_dir=tmp_path / "nothing here")
    check_config(config)
    options, dataset = load(config, smoke=True)
    assert isinstance(options, DetectionOptions)
    assert options.name == name
    assert len(options.mean) == len(options.std) == dataset.in_channels
    assert (dataset.num_classes, dataset.in_channels) == (options.generated.num_classes, options.generated.in_channels)
    assert dataset.image_size == ANCHOR_GRIDS[options.anchors].image_size == dataset.train.size


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("voc", "store_size", 200),
        ("voc", "splits", []),
        ("voc", "splits", ["trainval"]),
        ("voc", "test_split", "2007-test"),
        ("voc", "max_bad_share", 1.0),
        ("voc", "anchors", "ssd512"),
        ("voc", "augmentation", {"crop_padding": 4}),
        ("coco_folder", "store_size", 4),
        ("coco_folder", "in_channels", 2),
        ("yolo_folder", "train_images", "photos"),
    ],
)
def test_an_option_of_detection_refuses_a_value_without_reading_files(
    name: str, key: str, value: object, conf_dataset
) -> None:
    config = conf_dataset(name, data_dir="nothing here")
    with pytest.raises(ConfigError, match=rf"dataset\.{key}"):
        check_config({**config, key: value})


@pytest.mark.parametrize("name", ["digits", "generated"])
def test_options_that_need_no_files_load_as_shipped(name: str, conf_dataset) -> None:
    options, dataset = load(conf_dataset(name))
    shape = options.generated
    assert (dataset.num_classes, dataset.in_channels, dataset.image_size) == (
        shape.num_classes,
        shape.in_channels,
        shape.image_size,
    )


def test_default_augmentations(conf_dataset) -> None:
    def of(name: str) -> Augmentation:
        return DatasetOptions(name=name, augmentation=conf_dataset(name)["augmentation"]).augmentation

    for name in ("voc", "coco_folder", "yolo_folder"):
        everything = DetectionAugmentation(photometric=True, zoom_out=True, iou_crop=True, flip=True)
        assert DetectionOptions(name=name, augmentation=conf_dataset(name)["augmentation"]).augmentation == everything
    assert of("digits") == Augmentation(1, False, 0.0)
    assert of("cifar10") == of("cifar100") == Augmentation(4, True, 0.0)
    assert of("tiny_imagenet") == Augmentation(8, True, 0.0)


@pytest.mark.parametrize("name", ["cifar10", "tiny_imagenet", "image_folder"])
def test_a_folder_the_system_refuses_is_an_error_of_ours(name: str, conf_dataset) -> None:
    with pytest.raises(DataError, match=r"x+.*: File name too long; .*dataset\.root"):
        load(conf_dataset(name, data_dir="x" * 300))


def test_a_users_own_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_data_set.py").write_text(
        "import torch\n"
        "from greenkd.data import Dataset, Images\n"
        "def stripes(width: int) -> Dataset:\n"
        "    images = torch.zeros(8, 1, width, width, dtype=torch.uint8)\n"
        "    images[::2, :, ::2] = 255\n"
        "    part = Images(images, torch.arange(8) % 2)\n"
        "    return Dataset(part, part, ('across', 'none'))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    _, dataset = load({"name": "stripes", "_target_": "my_data_set.stripes", "width": 6})
    assert dataset.image_size == 6
    with pytest.raises(ConfigError, match=r"dataset\.height is not a setting"):
        load({"name": "stripes", "_target_": "my_data_set.stripes", "height": 6})
    del sys.modules["my_data_set"]
