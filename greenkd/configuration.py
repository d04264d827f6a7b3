"""What Hydra has to know before it composes conf/: where it lies, our resolver, and the options it does not hold."""

from pathlib import Path

from hydra.core.config_store import ConfigStore

from greenkd.identity import register_resolver
from greenkd.network_cards import read_network_cards

_PACKAGE = Path(__file__).parent
# setup.py lays it into the package; a checkout has it beside the package.
CONF = next((folder for folder in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if folder.is_dir()), _PACKAGE / "conf")
"""The folder of the configurations."""


def register_configuration() -> None:
    """Registers the resolver `${greenkd.folder:}`, and every network as an option of `student` and of `teacher`.

    Call it once before Hydra composes. An option of a file, such as a user's own `conf/student/mine.yaml`, is found
    beside these.
    """
    register_resolver()

    store = ConfigStore.instance()
    for name, card in read_network_cards().items():
        student = card.option()
        teacher = {**student, "weights": None}  # a .safetensors file to load instead of training
        store.store(group="student", name=name, node=student, provider="greenkd.models")
        store.store(group="teacher", name=name, node=teacher, provider="greenkd.models")
