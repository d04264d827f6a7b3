"""Any value at any key: accepted and run in smoke mode, or refused with a message that names the key."""

import copy
import functools
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from greenkd.campaign.campaign import run_campaign
from greenkd.campaign.console import Reporter
from greenkd.campaign.reading import read_settings
from greenkd.errors import ConfigError, TeacherFailedError
from greenkd.identity import flatten
from greenkd.records import TrialRow, TrialStatus, read_rows
from greenkd.training.stop_signals import StopFlag
from tests.campaigns import composed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


BASES = (
    ("temperature=stochastic", "energy=none"),
    ("temperature=grid", "energy=simulated", "objective=dkd", "student=cnn"),
    ("temperature=optuna", "energy=codecarbon", "objective=crd", "student=resnet20", "dataset=cifar10"),
    ("temperature=schedule", "energy=cpu_time", "objective=dml", "training=paper"),
    ("temperature=fixed", "energy=none", "objective=tfkd_self", "student=vgg8", "dataset=image_folder"),
    ("temperature=fixed", "energy=none", "objective=label_smoothing", "training=cifar240"),
    ("temperature=grid", "energy=none", "objective=kd_alone", "transfer=cmi", "selection=agreement"),
)
DELETED = "deleted"


@functools.cache
def base(number: int) -> dict[str, Any]:
    return composed(*BASES[number])


@functools.cache
def keys(number: int) -> list[str]:
    """Every key of a configuration, groups included."""
    leaves = [key for key, _ in flatten(base(number))]
    groups = {key.rsplit(".", 1)[0] for key in leaves if "." in key}
    return sorted({*leaves, *groups, *(f"{group}.unknown" for group in groups), "unknown"})


numbers = st.integers(-3, 70) | st.floats(-2, 50).map(lambda value: round(value, 3))
strange = st.sampled_from([math.nan, math.inf, -math.inf, 10**30, -(10**30), 1e-300, 1e300, 2**63])
words = st.sampled_from(["", "auto", "none", "null", "4", "1e-3", "uniform", "greenkd.models.cnn", "os.system", "."])
plain_values = st.none() | st.booleans() | numbers | words | st.text(max_size=8) | strange
values = (
    plain_values | st.lists(plain_values, max_size=3) | st.dictionaries(st.text(max_size=5), plain_values, max_size=2)
)


def changed(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    config = copy.deepcopy(config)
    for key, value in changes.items():
        *path, last = key.split(".")
        node: Any = config
        for name in path:
            node = node.get(name) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            continue  # another change has replaced what this one stands in
        if value == DELETED:
            node.pop(last, None)
        else:
            node[last] = value
    return config


@st.composite
def mutations(draw: st.DrawFn, value: st.SearchStrategy[Any]) -> tuple[int, dict[str, Any]]:
    number = draw(st.integers(0, len(BASES) - 1))
    chosen = draw(st.lists(st.sampled_from(keys(number)), min_size=1, max_size=2, unique=True))
    return number, {key: draw(value) for key in chosen}


def named(message: str, changes: dict[str, Any]) -> bool:
    """The message names a changed key, or the group it stands in."""
    return any(key in message or key.rsplit(".", 1)[-1] in message or key.split(".")[0] in message for key in changes)


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutation=mutations(values | st.just(DELETED)))
def test_any_value_is_accepted_or_refused_by_name(mutation: tuple[int, dict[str, Any]]) -> None:
    number, changes = mutation
    try:
        read_settings(changed(base(number), changes))
        message = None
    except ConfigError as error:
        message = str(error)
    assert message is None or named(message, changes), (changes, message)


# What is written elsewhere, takes the whole machine, or starts other processes.
_NOT_RUN = {"cache_dir", "data_dir", "threads", "device", "smoke", "estimate", "order", "interleaving", "budget"}


def like(value: Any) -> st.SearchStrategy[Any]:
    """Values of the same type, of which most are allowed."""
    if isinstance(value, bool):
        return st.booleans()
    if isinstance(value, int):
        return st.integers(0, 40)
    if isinstance(value, float):
        return st.floats(0, 3).map(lambda drawn: round(drawn, 2))
    if isinstance(value, list):
        return st.lists(st.integers(1, 30), max_size=3)
    return st.just(value)


@st.composite
def allowed(draw: st.DrawFn) -> tuple[int, dict[str, Any]]:
    number = draw(st.integers(0, len(BASES) - 1))
    leaves = {key: value for key, value in flatten(base(number)) if key.split(".")[0] not in _NOT_RUN}
    leaves.pop("training.parallel_trials")
    typed = sorted(key for key, value in leaves.items() if value is not None and not isinstance(value, str))
    chosen = draw(st.lists(st.sampled_from(typed), min_size=2, max_size=4, unique=True))
    return number, {key: draw(like(leaves[key])) for key in chosen}


@settings(
    max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)
@given(mutation=allowed())
def test_what_is_accepted_runs_in_smoke_mode(folder: Path, mutation: tuple[int, dict[str, Any]]) -> None:
    number, changes = mutation
    campaign = folder / "campaign"
    shutil.rmtree(campaign, ignore_errors=True)
    try:
        config = {**base(number), "cache_dir": str(folder / "cache"), "smoke": True}
        run_campaign(read_settings(changed(config, changes)), campaign, StopFlag(), Reporter())
        message = None
    except (ConfigError, TeacherFailedError) as error:
        message = str(error)
    assert message is None or named(message, changes), (changes, message)
    failed = [
        row.cause for row in read_rows(campaign / "trials.jsonl", TrialRow).rows if row.status is TrialStatus.FAILED
    ]
    # A training may diverge under a setting that is allowed; nothing else may go wrong inside it.
    assert all("loss became" in str(cause) for cause in failed), (changes, failed)
