"""What a dataset option in conf/ may say, and how it becomes a data set.

An option without a key `task` is of classification. One with `task: detection` has `DetectionOptions`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import BeforeValidator, ConfigDict, Field

from greenkd.anchors import ANCHOR_GRIDS, AnchorGrid
from greenkd.components import OwnSeed, build, check, read
from greenkd.data.augmentation import Augmentation
from greenkd.data.base import Dataset
from greenkd.data.detection import DetectionDataset
from greenkd.data.detection_augmentation import DetectionAugmentation
from greenkd.data.normalisation import channel_statistics
from greenkd.data.smoke import smoke_pictures, smoke_scenes
from greenkd.errors import ConfigError, DataError, GreenkdError

_STRICT = ConfigDict(extra="forbid")

AnyDataset = Dataset | DetectionDataset
"""A data set of either task."""

Mean = Annotated[
    tuple[Annotated[float, Field(ge=0, le=1)], ...], BeforeValidator(lambda value: () if value is None else value)
]
Std = Annotated[
    tuple[Annotated[float, Field(gt=0, le=1)], ...], BeforeValidator(lambda value: () if value is None else value)
]


@pydantic.dataclasses.dataclass(frozen=True, config=_STRICT)
class GeneratedShape:
    """The shape of the pictures that a smoke run makes up in place of the data set."""

    num_classes: Annotated[int, Field(ge=2)] = 10
    in_channels: Literal[1, 3] = 3
    image_size: Annotated[int, Field(ge=4)] = 32


@pydantic.dataclasses.dataclass(frozen=True, config=_STRICT)
class GeneratedScenes:
    """The scenes that a smoke run makes up in place of a data set of boxes; their size is the anchors'."""

    num_classes: Annotated[int, Field(ge=1)] = 20
    in_channels: Literal[1, 3] = 3


@pydantic.dataclasses.dataclass(frozen=True, config=_STRICT)
class CommonOptions:
    """The keys that the options of both tasks have.

    Attributes:
        name: Names the data set in folders and tables.
        validation_fraction: Share of the training part that validation takes.
        split_seed: Seed of that split, of its own so that all seeds of a sweep share it. With `per_seed` in
            the configuration it is the campaign's seed.
        mean: Mean per channel, in units of [0, 1]. Null in the configuration (empty here): `load` computes it over the
            whole training part, validation included, so that it does not depend on the split.
        std: Standard deviation per channel, likewise.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    split_seed: OwnSeed = 0
    mean: Mean = ()
    std: Std = ()


@pydantic.dataclasses.dataclass(frozen=True, config=_STRICT)
class DatasetOptions(CommonOptions):
    """The keys that every option of classification has besides those of its `_target_`.

    Attributes:
        augmentation: Changes of the training images.
        generated: The shape smoke runs generate.
    """

    task: ClassVar[str] = "classification"

    augmentation: Augmentation = Augmentation()
    generated: GeneratedShape = GeneratedShape()

    def given(self) -> dict[str, object]:
        """Returns what the target is given besides its own keys: nothing."""
        return {}

    def smoke(self) -> Dataset:
        """Makes a handful of pictures up."""
        shape = self.generated
        return smoke_pictures(shape.num_classes, shape.in_channels, shape.image_size)


@pydantic.dataclasses.dataclass(frozen=True, config=_STRICT)
class DetectionOptions(CommonOptions):
    """The keys that every option of detection has besides those of its `_target_`.

    Attributes:
        task: `detection`.
        anchors: The boxes that networks label and move, by the name of a preset; they give the size of what networks
            see, too. The target is given them as `anchors`.
        augmentation: Changes of the training pictures, and of their boxes.
        generated: The scenes smoke runs generate.
    """

    task: Literal["detection"] = "detection"
    anchors: Literal["ssdlite300", "ssd300", "ssdlite320", "digit_scenes"] = "ssdlite300"
    augmentation: DetectionAugmentation = DetectionAugmentation()
    generated: GeneratedScenes = GeneratedScenes()

    def given(self) -> dict[str, object]:
        """Returns what the target is given besides its own keys: the anchors."""
        return {"anchors": self._grid}

    def smoke(self) -> DetectionDataset:
        """Makes a handful of scenes up."""
        return smoke_scenes(self.generated.num_classes, self.generated.in_channels, self._grid)

    @property
    def _grid(self) -> AnchorGrid:
        return ANCHOR_GRIDS[self.anchors]


AnyOptions = DatasetOptions | DetectionOptions
"""The options of either task."""

_OPTIONS: dict[str, type[AnyOptions]] = {"classification": DatasetOptions, "detection": DetectionOptions}


def task_of(config: Mapping[str, Any]) -> str:
    """Returns the task of a dataset option, without looking at anything else in it.

    Raises:
        ConfigError: There is no such task.
    """
    task = config.get("task", DatasetOptions.task)
    if task not in _OPTIONS:
        raise ConfigError(f"dataset.task={task!r}: there are {', '.join(_OPTIONS)}")
    return str(task)


def load(config: Mapping[str, Any], *, smoke: bool = False) -> tuple[AnyOptions, AnyDataset]:
    """Reads the data set that a configuration describes.

    Args:
        config: The resolved `dataset` group: the keys of the task's options, `_target_`, and the target's own keys.
        smoke: Make a handful of pictures of the shape `generated` instead of calling the target; reads no file.

    Returns:
        The options, with mean and std filled in, and the data set.

    Raises:
        ConfigError: A key or value is refused.
        DataError: The data set is missing, damaged or not readable.
    """
    options, target = _parted(config)

    expected: type[AnyDataset] = DetectionDataset if isinstance(options, DetectionOptions) else Dataset
    try:
        dataset = options.smoke() if smoke else build(target, where="dataset", expect=expected, given=options.given())
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}; check dataset.root and who may read it") from error
    except Exception as error:
        if isinstance(error, GreenkdError) or target["_target_"].startswith("greenkd."):
            raise
        first = (str(error).splitlines() or [""])[0]
        raise DataError(f"dataset: {target['_target_']} breaks off with {type(error).__name__}: {first}") from error

    return _with_statistics(options, dataset), dataset


def check_config(config: Mapping[str, Any]) -> None:
    """Checks a dataset option without reading any file.

    Raises:
        ConfigError: A key or value is refused.
    """
    options, target = _parted(config)
    check(target, where="dataset", given=options.given())


def _parted(config: Mapping[str, Any]) -> tuple[AnyOptions, dict[str, Any]]:
    """Parts the common keys from the target's own."""
    kind = _OPTIONS[task_of(config)]
    names = {field.name for field in dataclasses.fields(kind)} | {"task"}
    common = {key: value for key, value in config.items() if key in names}
    if kind is DatasetOptions:
        common.pop("task", None)  # it may be said, and is no field

    options: AnyOptions = read(kind, common, "dataset")
    return options, {key: value for key, value in config.items() if key not in names}


def _with_statistics(options: AnyOptions, dataset: AnyDataset) -> AnyOptions:
    """Fills in mean and std where the configuration gives neither; refuses a number that does not fit the channels."""
    if not options.mean and not options.std:
        mean, std = channel_statistics(dataset.train.images)
        return dataclasses.replace(options, mean=mean, std=std)

    for key, values in (("mean", options.mean), ("std", options.std)):
        if len(values) != dataset.in_channels:
            raise ConfigError(
                f"dataset.{key}={list(values)}: {len(values)} values for images of {dataset.in_channels} channels; "
                "give one per channel, or set both mean and std to null to have them computed"
            )

    return options
