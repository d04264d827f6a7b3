"""ImageNet weights of torchvision for the backbones of detectors: fetched once, or taken from a file, and checked.

A file's name ends with the first digits of its SHA-256 sum, so what a network starts from is a function of the setting
`pretrained_backbone`, wherever the file lies. It is a pickle of tensors, read by torch's weights-only reader.
"""

import functools
import hashlib
import logging
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

import torch
import torch.hub
from torch import Tensor, nn

from greenkd.errors import ConfigError, StorageError
from greenkd.locks import FileLocks

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

_log = logging.getLogger(__name__)

_PREFIX = "features."


def start_backbone(
    network: str, features: nn.Module, weights: "WeightsEnum", *, pretrained: bool, file: Path | None, in_channels: int
) -> None:
    """Gives a backbone the weights that it is to start from, or says what random ones cost.

    Args:
        network: The detector's name, for messages.
        features: The backbone as torchvision builds it, less what classifies; takes the weights.
        weights: Which weights, of the whole network.
        pretrained: Whether to take them.
        file: Where they lie; None: they are fetched into torch's cache (`$TORCH_HOME`).
        in_channels: Of the images.

    Raises:
        ConfigError: The file is not the published one, or the pictures are not in colour.
        StorageError: The weights cannot be fetched or read.
    """
    if not pretrained:
        if file is not None:
            raise ConfigError(f"{network}: backbone_weights={file} is read with pretrained_backbone=true alone")
        _warn_of_random_start(network)
        return

    if in_channels != 3:
        raise ConfigError(
            f"{network}: ImageNet weights are for 3 channels, the pictures have {in_channels}; "
            "set dataset.in_channels=3, or pretrained_backbone=false"
        )
    features.load_state_dict(_read(weights.url, file))


@functools.cache
def _warn_of_random_start(network: str) -> None:
    """Says it once per process: every trial builds its networks anew."""
    _log.warning(
        "%s: its backbone starts from random weights. Trained so on VOC 07+12, SSD300 reaches 69.6 mAP, and 75.8 from "
        "ImageNet weights (Shen et al., DSOD, ICCV 2017); pretrained_backbone=true takes these",
        network,
    )


@functools.lru_cache(maxsize=3)
def _read(url: str, file: Path | None) -> dict[str, Tensor]:
    """Reads the part of a published file that backbones need; kept, since every trial starts from it."""
    path = _fetched(url) if file is None else file.expanduser()
    try:
        _check_sum(path, url)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror}); give the file {_name(url)}") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise StorageError(f"{path}: holds no tensors ({str(error).splitlines()[0]}); fetch {url} again") from error

    return {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items() if name.startswith(_PREFIX)}


def _fetched(url: str) -> Path:
    """Returns the file in torch's cache; one process fetches it, others wait."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / _name(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLocks().lock(path.with_name(f"{path.name}.lock"), path.name):
            if not path.exists():
                torch.hub.download_url_to_file(url, str(path), hash_prefix=_published_sum(url))
    except (URLError, OSError, RuntimeError) as error:
        raise StorageError(
            f"{url}: download into {path.parent} failed ({error}); fetch it by other means and put it there, or give "
            "backbone_weights=<file> beside pretrained_backbone=true"
        ) from error
    return path


def _check_sum(path: Path, url: str) -> None:
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    published = _published_sum(url)
    if not found.startswith(published):
        raise ConfigError(
            f"{path}: its SHA-256 sum begins with {found[: len(published)]}, that of {url} with {published}; "
            "give the published file, complete"
        )


def _published_sum(url: str) -> str:
    """Returns the first digits of the sum, which end the file's name."""
    match = re.search(r"-([0-9a-f]{8,})\.", _name(url))
    assert match is not None, url
    return match[1]


def _name(url: str) -> str:
    return url.rpartition("/")[2]
