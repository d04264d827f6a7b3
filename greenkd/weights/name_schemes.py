"""How the reference programs of the field name the parameters of networks that are also here.

A scheme turns their names into ours. Whether it is the right one is seen from the result: all names, and no other.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Replacement = str | Callable[[re.Match[str]], str]
Rename = Callable[[Sequence[str], Sequence[str]], dict[str, str]]


@dataclass(frozen=True)
class NameScheme:
    """One way of naming.

    Attributes:
        used_by: The programs that name so.
        rename: Turns their names, given ours, into a mapping from each of theirs to one of ours.
    """

    used_by: str
    rename: Rename


def _by_rules(*rules: tuple[str, Replacement]) -> Rename:
    """Renames by regular expressions, each applied to what the one before has made of a name."""

    def rename(names: Sequence[str], _needed: Sequence[str]) -> dict[str, str]:
        renamed = {}
        for name in names:
            new = name
            for pattern, replacement in rules:
                new = re.sub(pattern, replacement, new)
            renamed[name] = new
        return renamed

    return rename


# ShuffleNetV2: the units' layers by their place in torchvision's two branches; the first unit of a stage has both.
_FIRST_UNIT = {
    **{"conv1": "branch1.0", "bn1": "branch1.1", "conv2": "branch1.2", "bn2": "branch1.3"},
    **{"conv3": "branch2.0", "bn3": "branch2.1", "conv4": "branch2.3", "bn4": "branch2.4"},
    **{"conv5": "branch2.5", "bn5": "branch2.6"},
}
_OTHER_UNIT = {
    **{"conv1": "branch2.0", "bn1": "branch2.1", "conv2": "branch2.3", "bn2": "branch2.4"},
    **{"conv3": "branch2.5", "bn3": "branch2.6"},
}


def _shuffle_unit(match: re.Match[str]) -> str:
    stage, unit, layer = int(match[1]), int(match[2]), match[3]
    layers = _OTHER_UNIT if unit else _FIRST_UNIT
    return f"stage{stage + 1}.{unit}.{layers.get(layer, layer)}."


def _transformers_layer(match: re.Match[str]) -> str:
    """Names a layer of Hugging Face's ResNet: stages and layers are counted from zero there."""
    stage, block, place, kind = int(match[1]), match[2], match[3], match[4]
    if place == "shortcut":
        layer = "downsample.0" if kind == "convolution" else "downsample.1"
    else:
        layer = f"{'conv' if kind == 'convolution' else 'bn'}{int(place.removeprefix('layer.')) + 1}"
    return f"layer{stage + 1}.{block}.{layer}."


# The modules of a block in a Sequential, by position: convolution and batch norm, then the activation.
_RESIDUAL_FUNCTION = {"0": "conv1", "1": "bn1", "3": "conv2", "4": "bn2", "6": "conv3", "7": "bn3"}


def _residual_function(match: re.Match[str]) -> str:
    return f"layer{int(match[1]) - 1}.{match[2]}.{_RESIDUAL_FUNCTION.get(match[3], match[3])}."


def _vgg_in_order(names: Sequence[str], needed: Sequence[str]) -> dict[str, str]:
    """Pairs the layers of RepDistiller's five blocks with those of our `features`, both in order."""
    theirs = {match[0] for name in names if (match := re.match(r"block\d+\.\d+\.", name))}
    ours = {match[0] for name in needed if (match := re.match(r"features\.\d+\.", name))}
    if not theirs or len(theirs) != len(ours):
        return {name: name for name in names}

    pairs = dict(zip(sorted(theirs, key=_numbers), sorted(ours, key=_numbers), strict=True))
    renamed = {}
    for name in names:
        layer = next((layer for layer in pairs if name.startswith(layer)), "")
        renamed[name] = pairs.get(layer, "") + name.removeprefix(layer)
    return renamed


def _numbers(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


SCHEMES = (
    NameScheme(
        "torchvision, timm, RepDistiller and mdistiller for CIFAR ResNets",
        _by_rules((r"\.(norm|relu|conv)\.([12])\.", r".\1\2.")),  # torchvision's DenseNets before 0.3
    ),
    NameScheme(
        "akamaster, kuangliu, Tf-KD, RepDistiller and mdistiller for ResNet-18 … 152 and ShuffleNetV1",
        _by_rules(
            (r"(^|\.)compressible_", r"\1"),
            (r"^(layer\d+\.\d+)\.shortcut\.", r"\1.downsample."),
            (r"^linear\.", "fc."),
        ),
    ),
    NameScheme(
        "RepDistiller and mdistiller for wide ResNets",
        _by_rules((r"^(block\d+)\.layer\.", r"\1."), (r"\.convShortcut\.", ".shortcut.")),
    ),
    NameScheme("RepDistiller and mdistiller for VGG", _vgg_in_order),
    NameScheme(
        "RepDistiller and mdistiller for ShuffleNetV2",
        _by_rules(
            (r"^layer(\d+)\.(\d+)\.((?:conv|bn)\d)\.", _shuffle_unit),
            (r"^conv1\.(?=weight)", "conv1.0."),
            (r"^bn1\.", "conv1.1."),
            (r"^conv2\.", "conv5.0."),
            (r"^bn2\.", "conv5.1."),
            (r"^linear\.", "fc."),
        ),
    ),
    NameScheme(
        "prlz77 and Tf-KD for ResNeXt-29",
        _by_rules(
            (r"^conv_1_3x3\.", "conv1."),
            (r"^bn_1\.", "bn1."),
            (r"^stage_(\d+)\.stage_\d+_bottleneck_(\d+)\.", r"layer\1.\2."),
            (r"\.conv_reduce\.", ".conv1."),
            (r"\.bn_reduce\.", ".bn1."),
            (r"\.conv_conv\.", ".conv2."),
            (r"\.bn\.", ".bn2."),
            (r"\.conv_expand\.", ".conv3."),
            (r"\.bn_expand\.", ".bn3."),
            (r"\.shortcut\.shortcut_conv\.", ".downsample.0."),
            (r"\.shortcut\.shortcut_bn\.", ".downsample.1."),
            (r"^classifier\.", "fc."),
        ),
    ),
    NameScheme(
        "weiaicunzai for ResNets",
        _by_rules(
            (r"^conv(\d+)_x\.(\d+)\.residual_function\.(\d+)\.", _residual_function),
            (r"^conv(\d+)_x\.(\d+)\.shortcut\.", lambda match: f"layer{int(match[1]) - 1}.{match[2]}.downsample."),
            (r"^conv1\.0\.", "conv1."),
            (r"^conv1\.1\.", "bn1."),
        ),
    ),
    NameScheme(
        "Hugging Face's transformers for ResNets",
        _by_rules(
            (r"^(?:resnet\.)?embedder\.embedder\.convolution\.", "conv1."),
            (r"^(?:resnet\.)?embedder\.embedder\.normalization\.", "bn1."),
            (
                r"^(?:resnet\.)?encoder\.stages\.(\d+)\.layers\.(\d+)\.(shortcut|layer\.\d+)\.(convolution|normalization)\.",
                _transformers_layer,
            ),
            (r"^classifier\.1\.", "fc."),
        ),
    ),
)
