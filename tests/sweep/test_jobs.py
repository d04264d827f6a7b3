import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from greenkd.campaign.reading import read_settings
from greenkd.configuration import register_configuration
from greenkd.identity import plain
from greenkd.sweep.jobs import compose_jobs
from greenkd.sweep.repeats import read_without_repeats

CONF = Path(__file__).parents[2] / "conf"


@pytest.fixture
def composed(tmp_path: Path) -> Iterator[Any]:
    """Composes a command's jobs, and counts what Hydra composed for them."""
    register_configuration()

    def jobs(*words: str) -> tuple[list[dict[str, Any]], int]:
        loader = GlobalHydra.instance().config_loader()
        command = loader.load_configuration("config", list(words), run_mode=RunMode.MULTIRUN)
        by_hydra: list[Any] = []
        return [job.config for job in compose_jobs(command, by_hydra.append)], len(by_hydra)

    shutil.copytree(CONF, tmp_path / "conf")
    with initialize_config_dir(str(tmp_path / "conf"), version_base="1.3"):
        yield jobs


def test_jobs_are_what_hydra_composes_and_options_are_composed_once(composed: Any) -> None:
    jobs, by_hydra = composed("temperature=grid,stochastic", "seed=range(4)", "training.lr=0.1,0.2", "sweep=x")

    expected = [
        plain(compose("config", [f"temperature={temperature}", f"seed={seed}", f"training.lr={lr}", "sweep=x"]))
        for temperature in ("grid", "stochastic")
        for seed in range(4)
        for lr in (0.1, 0.2)
    ]
    assert jobs == expected
    assert by_hydra == 2


def test_what_a_value_may_reach_is_composed_each_time(composed: Any) -> None:
    # `generated` hands its image size on to its arguments; a list and a text are no plain values.
    jobs, by_hydra = composed("dataset=generated", "dataset.image_size=8,16")
    assert [job["dataset"]["generated"]["image_size"] for job in jobs] == [8, 16]
    assert by_hydra == 2

    jobs, by_hydra = composed("temperature=grid", "temperature.taus=[2,4],[8]")
    assert [job["temperature"]["taus"] for job in jobs] == [[2, 4], [8]]
    assert by_hydra == 2


def test_options_of_several_groups_are_composed_together(composed: Any) -> None:
    axes = {
        "teacher": ("small_cnn", "resnet20"),
        "student": ("resnet8", "tiny_cnn", "resnet20"),
        "objective": ("kd", "kd_alone"),  # the second is made of the first
        "seed": ("3", "0"),
    }
    jobs, by_hydra = composed(*(f"{name}={','.join(values)}" for name, values in axes.items()), "training.epochs=2")

    product = [list(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    assert jobs == [plain(compose("config", [f"{k}={v}" for k, v in job] + ["training.epochs=2"])) for job in product]
    assert by_hydra == 1 + 2


def test_options_that_reach_beyond_their_group_are_composed_each_time(composed: Any, tmp_path: Path) -> None:
    # Some set a setting of another group, one of them by an option that it is made of; one refers to one.
    for folder, name, text in (
        ("conf", "far", "# @package _global_\nstudent: {name: far}\ntraining: {epochs: 7}\n"),
        ("conf", "wide", "# @package _global_\nstudent: {name: wide}\nteacher: {further: 7}\n"),
        ("conf", "wider", "defaults: [tiny_cnn, wide]\nname: wider\n"),
        ("conf", "named", "defaults: [tiny_cnn]\nname: named-${teacher.name}\n"),
        ("elsewhere", "foreign", "# @package _global_\nstudent: {name: foreign}\nteacher: {further: 7}\n"),
    ):
        place = tmp_path / folder / "student"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.yaml").write_text(text)

    for words in (
        {"student": "tiny_cnn,far", "training": "quick,paper"},
        {"student": "tiny_cnn,wide", "teacher": "small_cnn,resnet20"},
        {"student": "tiny_cnn,wider", "teacher": "small_cnn,resnet20"},
        {"student": "tiny_cnn,named", "teacher": "small_cnn,resnet20"},
        {"student": "tiny_cnn,foreign", "teacher": "small_cnn,resnet20"},
    ):
        searched = f"hydra.searchpath=[file://{tmp_path}/elsewhere]"
        jobs, _ = composed(searched, *(f"{key}={values}" for key, values in words.items()))
        product = itertools.product(*([f"{key}={value}" for value in words[key].split(",")] for key in words))
        assert jobs == [plain(compose("config", [searched, *job])) for job in product], words


def test_settings_of_other_seeds_are_those_of_their_own_configuration(composed: Any) -> None:
    for words in (("seed=0,1",), ("seed=0,1", "dataset.split_seed=per_seed"), ("seed=0,1", "smoke=true")):
        jobs, _ = composed("temperature=grid", *words)
        for job, settings in zip(jobs, read_without_repeats(jobs), strict=True):
            alone = read_settings(job)
            assert settings is not None
            assert (settings.campaign_id, settings.setting_id) == (alone.campaign_id, alone.setting_id)
            assert (settings.seed, settings.config) == (alone.seed, alone.config)
            assert settings.dataset.mapping == alone.dataset.mapping
