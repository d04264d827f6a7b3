"""The detectors of torchvision's pieces: against torchvision's own, against the sizes that their sources count."""

import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models import mobilenet_v2
from torchvision.models.detection import ssd300_vgg16, ssdlite320_mobilenet_v3_large

from greenkd import models
from greenkd.anchors import ANCHOR_GRIDS
from greenkd.errors import ConfigError, GreenkdError, StorageError
from greenkd.models import backbone_weights
from scripts.network_table import count_macs, count_parameters

DETECTORS = ("ssd300_vgg16", "ssdlite300_mobilenet_v2", "ssdlite320_mobilenet_v3")


def build(name: str, anchors: str, num_classes: int = 20, in_channels: int = 3, **settings: object) -> nn.Module:
    grid = ANCHOR_GRIDS[anchors]
    return models.NETWORKS[name](num_classes, in_channels, grid.image_size, anchors=grid, **settings)


# Parameters and GMAC with 20 classes and background, counted by others in the code that the networks come from.
@pytest.mark.parametrize(
    ("name", "anchors", "parameters", "gmac"),
    [
        ("ssd300_vgg16", "ssd300", 26.29e6, 31.37),
        ("ssd300_vgg16", "ssdlite300", 26.73e6, 30.712),
        ("ssdlite300_mobilenet_v2", "ssdlite300", 3.384e6, 0.6608),
        ("ssdlite320_mobilenet_v3", "ssdlite320", 2.47e6, 0.443),
    ],
)
def test_has_the_size_of_its_source(name: str, anchors: str, parameters: float, gmac: float) -> None:
    with torch.device("meta"):
        network = build(name, anchors)
    assert count_parameters(network) == pytest.approx(parameters, rel=5e-4)
    assert count_macs(network, 3, ANCHOR_GRIDS[anchors].image_size) / 1e9 == pytest.approx(gmac, rel=1e-3)


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("anchors", ["ssdlite300", "ssd300", "ssdlite320"])
def test_says_something_about_every_anchor(name: str, anchors: str) -> None:
    grid = ANCHOR_GRIDS[anchors]
    with torch.device("meta"):
        if (name, anchors) == ("ssdlite320_mobilenet_v3", "ssd300"):
            with pytest.raises(ValueError, match=r"no maps for the anchors 'ssd300'.*ssdlite300, ssdlite320"):
                build(name, anchors)
            return
        network = build(name, anchors, num_classes=7, in_channels=1)
        images = torch.empty(2, 1, grid.image_size, grid.image_size)
        assert network(images).shape == (2, grid.num_anchors, 7 + 5)
        sizes = [maps.shape[2:] for maps in network.features(images)]
    assert sizes == [(size, size) for size in grid.map_sizes]


@pytest.mark.parametrize("name", DETECTORS)
def test_anchors_on_other_cells_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} has no maps for the anchors 'digit_scenes' \(cells \[12, 6\]\)"):
        build(name, "digit_scenes")


@pytest.mark.parametrize(
    ("name", "anchors", "source"),
    [
        ("ssd300_vgg16", "ssd300", ssd300_vgg16),
        ("ssdlite320_mobilenet_v3", "ssdlite320", ssdlite320_mobilenet_v3_large),
    ],
)
def test_says_what_torchvisions_own_says_with_the_same_weights(name: str, anchors: str, source: type) -> None:
    torch.manual_seed(0)
    theirs = source(weights=None, weights_backbone=None, num_classes=21).eval()
    ours = build(name, anchors).eval()
    tensors = iter(theirs.state_dict().values())
    ours.load_state_dict({key: next(tensors) for key in ours.state_dict()})

    images = torch.randn(1, 3, ours_size := ANCHOR_GRIDS[anchors].image_size, ours_size)
    with torch.no_grad():
        said = theirs.head(list(theirs.backbone(images).values()))
        expected = torch.cat([said["cls_logits"], said["bbox_regression"]], dim=2)
        assert torch.allclose(ours(images), expected, atol=1e-5)


def test_every_parameter_of_the_pair_is_trained() -> None:
    torch.manual_seed(0)
    network = build("ssdlite300_mobilenet_v2", "ssdlite300")
    network(torch.randn(2, 3, 300, 300)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    with torch.device("meta"):
        assert all(parameter.requires_grad for parameter in build("ssd300_vgg16", "ssdlite300").parameters())


# Weights


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A file of weights whose name holds its sum, on a server of this machine, in the place of torchvision's."""
    folder = tmp_path / "served"
    folder.mkdir()
    torch.manual_seed(5)
    torch.save(mobilenet_v2().state_dict(), folder / "unnamed")
    digest = hashlib.sha256((folder / "unnamed").read_bytes()).hexdigest()
    file = (folder / "unnamed").rename(folder / f"mobilenet_v2-{digest[:8]}.pth")

    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        weights = SimpleNamespace(url=f"http://127.0.0.1:{httpd.server_port}/{file.name}")
        monkeypatch.setattr(torchvision.models, "MobileNet_V2_Weights", SimpleNamespace(IMAGENET1K_V2=weights))
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
        backbone_weights._read.cache_clear()
        yield SimpleNamespace(file=file, url=weights.url, cache=tmp_path / "home" / "hub" / "checkpoints")
        httpd.shutdown()
    backbone_weights._read.cache_clear()


def starts_from(network: nn.Module, file: Path) -> bool:
    weights = [tensor for key, tensor in torch.load(file, weights_only=True).items() if key.startswith("features.")]
    own = list(network.features.state_dict().values())[: len(weights)]
    return all(torch.equal(first, second) for first, second in zip(own, weights, strict=True))


def student(**settings: object) -> nn.Module:
    return build("ssdlite300_mobilenet_v2", "ssdlite300", **settings)


def test_a_backbone_starts_from_the_published_weights(published: SimpleNamespace, tmp_path: Path) -> None:
    assert not starts_from(student(), published.file)
    assert starts_from(student(pretrained_backbone=True), published.file)
    assert (published.cache / published.file.name).is_file()

    # Fetched once; and from a place of one's own nothing is fetched.
    elsewhere = published.file.rename(tmp_path / "weights.pth")
    backbone_weights._read.cache_clear()
    assert starts_from(student(pretrained_backbone=True), elsewhere)
    (published.cache / published.file.name).unlink()
    backbone_weights._read.cache_clear()
    assert starts_from(student(pretrained_backbone=True, backbone_weights=elsewhere), elsewhere)


def test_weights_that_cannot_be_had_are_answered_with_the_way_round(published: SimpleNamespace, tmp_path: Path) -> None:
    def refused(kind: type[GreenkdError], message: str, **settings: object) -> None:
        with pytest.raises(kind, match=message):
            student(pretrained_backbone=True, **settings)

    content = published.file.read_bytes()
    published.file.unlink()
    refused(StorageError, r"mobilenet_v2-\w+\.pth: download into .* failed .*backbone_weights=<file>")
    published.file.write_bytes(content[:-1])
    refused(StorageError, r"download into .* failed .*invalid hash")
    assert not (published.cache / published.file.name).exists()

    refused(StorageError, r"nowhere\.pth: cannot be read .*mobilenet_v2-", backbone_weights=tmp_path / "nowhere.pth")
    refused(ConfigError, r"its SHA-256 sum begins with \w{8}, that of http", backbone_weights=published.file)
    refused(ConfigError, r"3 channels, the pictures have 1", in_channels=1)
    with pytest.raises(ConfigError, match=r"backbone_weights=.* is read with pretrained_backbone=true alone"):
        student(backbone_weights=published.file)
    with pytest.raises(ValueError, match="needs reduced_tail=false"):
        build("ssdlite320_mobilenet_v3", "ssdlite320", pretrained_backbone=True)


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("called",)


def test_a_file_that_would_call_something_is_not_unpickled(
    published: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"features.0.0.weight": Harmful()}, published.file)
    digest = hashlib.sha256(published.file.read_bytes()).hexdigest()
    weights = SimpleNamespace(url=f"http://nowhere/x-{digest[:8]}.pth")
    with pytest.raises(StorageError, match="holds no tensors"):
        backbone_weights.start_backbone(
            "x", nn.Identity(), weights, pretrained=True, file=published.file, in_channels=3
        )
    assert "called" not in capsys.readouterr().out


def test_a_random_start_is_said_once_with_what_it_costs(caplog: pytest.LogCaptureFixture) -> None:
    backbone_weights._warn_of_random_start.cache_clear()
    with torch.device("meta"):
        student()
        student()
    (line,) = caplog.messages
    assert "ssdlite300_mobilenet_v2: its backbone starts from random weights" in line
    assert "69.6 mAP, and 75.8" in line
