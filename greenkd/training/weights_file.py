"""Files of weights that a user brings: what each is, by its first bytes, and the answer where it is not ours to read.

Only safetensors are read here. Files of torch.save go through `greenkd weights convert`, once, by torch's weights-only
reader.
"""

import enum
from pathlib import Path

from torch import Tensor

from greenkd.errors import ConfigError, StorageError
from greenkd.training.safetensors_io import load_foreign_tensors
from greenkd.whereabouts import tools_command

_HEAD_BYTES = 512


class WeightsFormat(enum.Enum):
    """What a file of weights is, by its first bytes; its ending says nothing."""

    SAFETENSORS = "safetensors"
    TORCH = "a file of torch.save"
    LFS_POINTER = "a pointer of Git LFS, not the weights themselves"
    WEB_PAGE = "a web page, not the weights that it links to"
    HDF5 = "an HDF5 file (Keras)"
    JSON = "a JSON file, such as the index of weights in several parts"
    EMPTY = "empty"
    UNKNOWN = "neither safetensors nor a file of torch.save"


_CURES = {
    WeightsFormat.LFS_POINTER: "run `git lfs pull` in its repository, or download the file itself",
    WeightsFormat.WEB_PAGE: "download the file itself",
    WeightsFormat.HDF5: "save the weights from PyTorch, as safetensors or by torch.save(network.state_dict(), ...)",
    WeightsFormat.JSON: "name the file that holds the tensors; parts have to be joined into one first",
    WeightsFormat.EMPTY: "download or save it again",
    WeightsFormat.UNKNOWN: "save the weights as safetensors or by torch.save(network.state_dict(), ...)",
}


def expand(weights: object) -> Path:
    """Returns the path that a setting names, a leading `~` taken for the home folder.

    Raises:
        StorageError: It begins with the name of a user that is not known here.
    """
    try:
        return Path(str(weights)).expanduser()
    except RuntimeError as error:
        raise StorageError(f"{weights}: no home folder is known for its beginning; give the whole path") from error


def recognise(path: Path) -> WeightsFormat:
    """Tells what a file is.

    Raises:
        StorageError: It is missing, a folder, or may not be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror})") from error

    # The first eight bytes of safetensors are the header's length; the header is JSON.
    text = head.lstrip().lower()
    starts = {
        WeightsFormat.TORCH: head.startswith((b"PK\x03\x04", b"\x80")),
        WeightsFormat.LFS_POINTER: head.startswith(b"version https://git-lfs"),
        WeightsFormat.WEB_PAGE: text.startswith((b"<!doctype html", b"<html")),
        WeightsFormat.HDF5: head.startswith(b"\x89HDF"),
        WeightsFormat.SAFETENSORS: head[8:].lstrip().startswith(b"{"),
        WeightsFormat.JSON: text.startswith(b"{"),
        WeightsFormat.EMPTY: not head,
    }
    return next((kind for kind, fits in starts.items() if fits), WeightsFormat.UNKNOWN)


def refusal(path: Path, kind: WeightsFormat) -> ConfigError:
    """Returns the error for a file that holds no weights, with the cure."""
    return ConfigError(f"{path}: is {kind.value}; {_CURES[kind]}")


def read_given_weights(weights: object, where: str, network: str) -> dict[str, Tensor]:
    """Reads the file that `teacher.weights` names.

    Args:
        weights: The setting.
        where: The setting's group, for messages.
        network: The group's network, for the command that messages name.

    Raises:
        ConfigError: The file is of another format.
        StorageError: It is missing or damaged.
    """
    path = expand(weights)
    kind = recognise(path)
    if kind is WeightsFormat.TORCH:
        raise ConfigError(
            f"{where}.weights={weights}: is {kind.value}; weights are read as safetensors alone. "
            f"{conversion(weights, network)}"
        )
    if kind is not WeightsFormat.SAFETENSORS:
        raise refusal(path, kind)
    return load_foreign_tensors(path)[0]


def conversion(weights: object, network: str) -> str:
    """Returns the sentence that names the command which makes weights of others fit a network."""
    return f"Convert it once: {tools_command()} weights convert {weights} --network {network}"
