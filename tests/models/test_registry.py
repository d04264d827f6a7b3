"""A network is declared once: the decorator's card is the one that is read without importing, and it is true."""

import inspect

import pytest
import torch
from torch import nn

from greenkd import models
from greenkd.anchors import ANCHOR_GRIDS
from greenkd.network_cards import NetworkCard, read_network_cards
from scripts.network_table import count_macs, count_parameters

CARDS = models.NETWORK_CARDS


def test_cards_read_from_the_source_are_those_that_the_import_registers() -> None:
    read = read_network_cards()
    assert list(read.items()) == list(CARDS.items())
    assert list(CARDS) == list(models.NETWORKS)


def test_every_network_is_an_attribute_of_the_package() -> None:
    for name, build in models.NETWORKS.items():
        assert getattr(models, name) is build


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_card_states_the_size(card: NetworkCard) -> None:
    channels, height, width = card.input_shape
    given = {"num_classes": card.num_classes, "in_channels": channels, "image_size": height}
    given["anchors"] = ANCHOR_GRIDS.get(card.anchors)
    build = models.NETWORKS[card.name]
    with torch.device("meta"):
        network = build(**{key: value for key, value in given.items() if key in inspect.signature(build).parameters})

    assert height == width
    assert count_parameters(network) == card.parameters
    assert count_macs(network, channels, height) == card.macs


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_card_opens_with_a_sentence_and_names_networks_that_exist(card: NetworkCard) -> None:
    assert card.summary.endswith(".")
    for command, role in zip(card.commands, ("student", "teacher"), strict=True):
        assert command.startswith(f"python run.py dataset={card.dataset} ")
        words = dict(word.split("=") for word in command.split()[2:])
        assert words[role] == card.name
        assert {words["student"], words["teacher"]} <= set(CARDS)


def test_two_networks_of_one_name_are_refused() -> None:
    def resnet20(num_classes: int) -> nn.Module:
        return nn.Linear(1, num_classes)

    with pytest.raises(ValueError, match=r"resnet20: greenkd\.models\.cifar_resnet has a network of that name"):
        models.register_network(parameters=1, macs=1, teacher="resnet8", student="resnet8")(resnet20)
