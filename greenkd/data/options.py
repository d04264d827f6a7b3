"""What a dataset option in conf/ may say, and how it becomes a data set."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BeforeValidator, ConfigDict, Field

from greenkd.components import OwnSeed, build, check, read
from greenkd.data.augmentation import Augmentation
from greenkd.data.base import Dataset
from greenkd.data.generated import load_generated
from greenkd.data.normalisation import channel_statistics
from greenkd.errors import ConfigError, DataError, GreenkdError

_STRICT = ConfigDict(extra="forbid")
_SMOKE_CLASSES = 3

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
class DatasetOptions:
    """The keys that every dataset option has besides those of its `_target_`.

    Attributes:
        name: Names the data set in folders and tables.
        validation_fraction: Share of every class of the training part that validation takes.
        split_seed: Seed of that split, of its own so that all seeds of a sweep share it. With `per_seed` in
            the configuration it is the campaign's seed.
        mean: Mean per channel, in units of [0, 1]. Null in the configuration (empty here): `load` computes it over the
            whole training part, validation included, so that it does not depend on the split.
        std: Standard deviation per channel, likewise.
        augmentation: Changes of the training images.
        generated: The shape smoke runs generate.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    split_seed: OwnSeed = 0
    mean: Mean = ()
    std: Std = ()
    augmentation: Augmentation = Augmentation()
    generated: GeneratedShape = GeneratedShape()


def load(config: Mapping[str, Any], *, smoke: bool = False) -> tuple[DatasetOptions, Dataset]:
    """Reads the data set that a configuration describes.

    Args:
        config: The resolved `dataset` group: the keys of `DatasetOptions`, `_target_`, and the target's own keys.
        smoke: Make a handful of pictures of the shape `generated` instead of calling the target; reads no file.

    Returns:
        The options, with mean and std filled in, and the data set.

    Raises:
        ConfigError: A key or value is refused.
        DataError: The data set is missing, damaged or not readable.
    """
    options, target = _parted(config)

    try:
        dataset = _smoke(options.generated) if smoke else build(target, where="dataset", expect=Dataset)
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
    _, target = _parted(config)
    check(target, where="dataset")


def _parted(config: Mapping[str, Any]) -> tuple[DatasetOptions, dict[str, Any]]:
    """Parts the common keys from the target's own."""
    common = {field.name for field in dataclasses.fields(DatasetOptions)}
    options = read(DatasetOptions, {key: value for key, value in config.items() if key in common}, "dataset")
    return options, {key: value for key, value in config.items() if key not in common}


class _Handful(Dataset):
    """A data set with too few pictures to show every class, on purpose."""

    def __post_init__(self) -> None:
        """Leaves out the checks of `Dataset`, which refuse a class without images."""


def _smoke(shape: GeneratedShape) -> Dataset:
    """Makes pictures of a few of the classes: networks get their full size, yet the largest is through in seconds."""
    full = load_generated(
        num_classes=shape.num_classes,
        in_channels=shape.in_channels,
        image_size=shape.image_size,
        train_per_class=3,
        test_per_class=2,
    )

    train, test = (part.subset((part.labels < _SMOKE_CLASSES).nonzero().squeeze(1)) for part in (full.train, full.test))
    return _Handful(train, test, full.class_names)


def _with_statistics(options: DatasetOptions, dataset: Dataset) -> DatasetOptions:
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
