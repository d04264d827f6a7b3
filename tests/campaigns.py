"""Small real campaigns for tests: the digits, tiny nets, simulated energy, in this process."""

import copy
import functools
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from greenkd.campaign import evaluation
from greenkd.campaign.campaign import run_campaign
from greenkd.campaign.console import Reporter
from greenkd.campaign.reading import read_settings
from greenkd.campaign.settings import Settings
from greenkd.configuration import register_configuration
from greenkd.identity import campaign_folder, plain
from greenkd.records import CampaignRecord, EpochRow, StepsRow, TrialRow, read_rows
from greenkd.training.stop_signals import StopFlag
from tests.quick_studies import read_history_once

read_history_once()
evaluation.WINDOW_S = 0.0  # one metered pass over the test set is enough for a test
ROOT = Path(__file__).parents[1]
SHORT = (
    "energy=simulated",
    "training.epochs=2",
    "training.teacher.epochs=1",
    "training.batch_size=128",
    "student.width=4",
    "teacher.width=8",
)


def composed(*overrides: str) -> dict[str, Any]:
    """Composes conf/ as run.py does, once."""
    return copy.deepcopy(_composed(overrides))


@functools.cache
def _composed(overrides: tuple[str, ...]) -> dict[str, Any]:
    return plain(compose_job(*overrides))


def compose_job(*overrides: str) -> DictConfig:
    """Composes conf/ as run.py does; each choice of options once, values in copies of it.

    The options take Hydra most of its time. tests/test_campaigns.py compares the two.
    """
    choices = tuple(word for word in overrides if _is_choice(word))
    config = copy.deepcopy(_chosen(choices))
    values = OverridesParser.create().parse_overrides([word for word in overrides if word not in choices])
    ConfigLoaderImpl._apply_overrides_to_config(values, config)
    return config


@functools.cache
def _chosen(choices: tuple[str, ...]) -> DictConfig:
    register_configuration()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("config", list(choices))


def _is_choice(override: str) -> bool:
    """Tells whether an override names an option of a group, or something of Hydra's own, rather than a value."""
    key = override.lstrip("+~").partition("=")[0].partition("@")[0]
    return key.startswith("hydra") or (ROOT / "conf" / key).is_dir()


def settings(root: Path, *overrides: str) -> Settings:
    """Settings of a short campaign whose cache lies in `root`."""
    return read_settings(composed(*SHORT, *overrides) | {"cache_dir": str(root / "cache")})


class StopAfter(StopFlag):
    """Asks for a stop at one of its questions."""

    def __init__(self, questions: int) -> None:
        super().__init__()
        self._left = questions

    def check(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.set("SIGTERM")
        super().check()


class Campaign:
    """A campaign that has been run, and its records."""

    def __init__(self, root: Path, *overrides: str, stop: StopFlag | None = None) -> None:
        self.settings = settings(root, *overrides)
        self.folder = root / "multirun" / campaign_folder(self.settings.config)
        self.record: CampaignRecord = run_campaign(self.settings, self.folder, stop or StopFlag(), Reporter())

    @property
    def trials(self) -> list[TrialRow]:
        return read_rows(self.folder / "trials.jsonl", TrialRow).rows

    @property
    def epochs(self) -> list[EpochRow]:
        return read_rows(self.folder / "epochs.jsonl", EpochRow).rows

    @property
    def steps(self) -> list[StepsRow]:
        return read_rows(self.folder / "steps.jsonl", StepsRow).rows
