import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from greenkd.configuration import register_configuration
from greenkd.errors import ConfigError, StorageError
from greenkd.records import CampaignStatus
from studies import running
from studies.__main__ import main
from studies.study import Study, read_study
from tests.analysis.plans import stochastic
from tests.analysis.sweeps import write_sweep

ROOT = Path(__file__).parents[2]
CPU_2026 = ROOT / "studies" / "cpu-2026"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study of two sweeps in a folder of its own, which is also the current one."""
    folder = tmp_path / "studies" / "tried"
    (folder / "experiment").mkdir(parents=True)
    for name in ("one", "two_b", "check"):
        (folder / "experiment" / f"{name}.yaml").touch()
    (folder / "study.yaml").write_text("{sweeps: [one, two_b], core_hours: 1, check: [check], margin: 0.5}\n")
    monkeypatch.chdir(tmp_path)
    return read_study(Path("studies/tried"))


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The experiments whose commands were run; each writes a finished sweep."""
    experiments: list[str] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        name = next(word.removeprefix("experiment=") for word in command if word.startswith("experiment="))
        experiments.append(name)
        write_sweep(Path("multirun") / f"tried-{name.replace('_', '-')}")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(running.subprocess, "run", run)
    return experiments


def test_each_sweep_is_run_once_in_order_and_packed(study: Study, commands: list[str]) -> None:
    assert main(["run", "studies/tried"]) == 0
    assert main(["run", "studies/tried"]) == 0
    assert commands == ["one", "two_b"]
    assert study.is_packed("one")
    assert study.is_packed("two_b")

    study.archive("one").unlink()
    shutil.rmtree(study.sweep_folder("one"))
    assert main(["run", "studies/tried", "--only", "one"]) == 0
    assert commands == ["one", "two_b", "one"]


def test_a_sweep_that_is_not_done_is_not_packed(study: Study) -> None:
    write_sweep(study.sweep_folder("one"), [stochastic(0, status=CampaignStatus.RUNNING)])
    with pytest.raises(StorageError, match="not packed"):
        running.pack_sweep(study, "one")


def test_a_changed_record_is_not_packed(study: Study) -> None:
    folder = write_sweep(study.sweep_folder("one"))
    path = next(folder.rglob("campaign.json"))
    path.write_text(path.read_text().replace("narrow", "wider"))
    with pytest.raises(StorageError, match="changed"):
        running.pack_sweep(study, "one")


def test_a_command_that_fails_ends_the_study_with_its_code(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 3))
    assert main(["run", "studies/tried"]) == 3
    assert not study.is_packed("one")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{sweeps: [one], core_hours: 1, check: [check], margin: 0.5, more: 1}", "more"),
        ("{sweeps: [lost], core_hours: 1, check: [check], margin: 0.5}", "lost"),
        ("", "study.yaml"),
    ],
)
def test_a_plan_with_a_mistake_is_refused(study: Study, content: str, problem: str) -> None:
    (study.folder / "study.yaml").write_text(content)
    with pytest.raises(ConfigError, match=problem):
        read_study(study.folder)


def test_mistakes_end_with_2(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "studies/none"]) == 2
    assert main(["run", "studies/tried", "--only", "three"]) == 2
    assert "one, two_b" in capsys.readouterr().err


@pytest.mark.parametrize("name", [*read_study(CPU_2026).plan.sweeps, *read_study(CPU_2026).plan.check])
def test_every_experiment_composes_into_a_sweep_of_its_name(name: str) -> None:
    study = read_study(CPU_2026)
    register_configuration()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        overrides = [f"hydra.searchpath=[file://{CPU_2026}]", f"experiment={name}"]
        config = compose("config", overrides=overrides, return_hydra_config=True)
    assert config.hydra.sweeper.params.seed is not None
    if name in study.plan.sweeps:
        assert Path("multirun") / config.sweep == study.sweep_folder(name)
