"""The decorator that declares a network, once: `greenkd.models` and the options of `student` and `teacher` follow."""

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

from torch import nn

from greenkd.network_cards import PROVIDED, NetworkCard

Constructor = TypeVar("Constructor", bound=Callable[..., nn.Module])

NETWORKS: dict[str, Callable[..., nn.Module]] = {}
"""Every registered network by name: the function that builds it."""

NETWORK_CARDS: dict[str, NetworkCard] = {}
"""The card of every registered network."""


def register_network(
    *,
    parameters: int,
    macs: int,
    teacher: str,
    student: str,
    dataset: str = "cifar100",
    task: str = "classification",
    anchors: str = "",
    input_shape: tuple[int, int, int] = (3, 32, 32),
    num_classes: int = 100,
    accuracy: Mapping[str, float] = MappingProxyType({}),
    differences: str = "",
) -> Callable[[Constructor], Constructor]:
    """Declares the function below it as a network.

    The function's name is the network's, its docstring opens with what the network is, and its arguments beyond
    `num_classes`, `in_channels`, `image_size` and `anchors` become the settings of its option, with their defaults. All
    values are written out as literals, because `greenkd.network_cards` reads them from the source.

    Args:
        parameters: Trainable numbers at `input_shape` and `num_classes`.
        macs: Multiply-accumulates of one image's forward pass at `input_shape` and `num_classes`.
        teacher: A teacher to try the network with as student.
        student: A student to try the network with as teacher; further overrides may follow.
        dataset: The data set to try both on.
        task: `classification` or `detection`.
        anchors: The preset that `parameters` and `macs` of a detector are counted with; it takes an `AnchorGrid` of
            that name as `anchors`.
        input_shape: Channels, height and width of the image that `parameters` and `macs` are counted with.
        num_classes: Classes that they are counted with.
        accuracy: What is published for the network trained without a teacher, in per cent, by source: top-1 accuracy on
            CIFAR-100, or mAP on the test part of VOC 2007.
        differences: What the code behind these accuracies does otherwise; empty where nothing is known.

    Raises:
        ValueError: Another network has the name.
    """

    def register(build: Constructor) -> Constructor:
        name = build.__name__
        if name in NETWORKS:
            raise ValueError(f"{build.__module__}.{name}: {NETWORKS[name].__module__} has a network of that name")

        signature = inspect.signature(build).parameters
        NETWORKS[name] = build
        NETWORK_CARDS[name] = NetworkCard(
            name=name,
            description=inspect.getdoc(build) or "",
            arguments={key: value.default for key, value in signature.items() if key not in PROVIDED},
            parameters=parameters,
            macs=macs,
            teacher=teacher,
            student=student,
            dataset=dataset,
            input_shape=input_shape,
            num_classes=num_classes,
            accuracy=dict(accuracy),
            task=task,
            anchors=anchors,
            differences=differences,
        )
        return build

    return register
