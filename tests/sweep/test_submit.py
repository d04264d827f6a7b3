"""`greenkd submit`: which words are whose, and what Slurm is given."""

from pathlib import Path

import pytest

from greenkd.configuration import register_configuration
from greenkd.errors import ConfigError
from greenkd.sweep.batch_script import batch_script
from greenkd.sweep.command import refuse_password
from greenkd.sweep.jobs import compose_command
from greenkd.sweep.submit import read_hydras_options, read_words
from tests.campaigns import ROOT


@pytest.fixture(autouse=True, scope="module")
def _networks_are_known() -> None:
    register_configuration()


def test_words_with_a_dash_are_sbatch_s_and_the_others_hydra_s() -> None:
    words = ["-p", "gpu", "--time", "4:00:00", "--gres=gpu:1", "-m", "--exclusive", "temperature=grid,stochastic"]
    words += ["--print", "~temperature.schedule", "seed=0,1"]
    prints, options, overrides = read_words(words)
    assert prints
    assert options == ["-p gpu", "--time=4:00:00", "--gres=gpu:1", "--exclusive"]
    assert overrides == ["temperature=grid,stochastic", "~temperature.schedule", "seed=0,1"]

    with pytest.raises(ConfigError, match="gpu: give"):
        read_words(["gpu", "temperature=grid"])


def test_options_of_the_user_stand_in_the_place_of_ours(tmp_path: Path) -> None:
    def directives(*options: str) -> list[str]:
        script = batch_script(options, tmp_path / "x", 3, "greenkd submit")
        return [line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH")]

    ours = ["--job-name=greenkd-x", "--array=0-2", f"--output={tmp_path}/x/slurm/%A_%a.log"]
    assert directives() == [*ours, "--open-mode=append", "--signal=USR2@120", "--requeue"]
    assert directives("-a 0-199%50", "-Jmine", "--no-requeue", "--comment=a b") == [
        ours[2], "--open-mode=append", "--signal=USR2@120", "-a 0-199%50", "-Jmine", "--no-requeue", '--comment="a b"',
    ]  # fmt: skip


def test_the_jobs_are_those_of_run_py_with_m() -> None:
    config, jobs = compose_command(ROOT / "conf", ["temperature=grid,fixed", "seed=0,1", "sweep=s"], refuse_password)
    assert config.hydra.sweep.dir == "multirun/s"
    named = [(job.config["temperature"]["name"], job.config["seed"]) for job in jobs]
    assert named == [("grid", 0), ("grid", 1), ("fixed", 0), ("fixed", 1)]

    with pytest.raises(ConfigError, match="Could not find 'temperature/gird'"):
        compose_command(ROOT / "conf", ["temperature=gird"], refuse_password)


def test_a_folder_of_configurations_of_one_s_own_is_searched(tmp_path: Path) -> None:
    folder = tmp_path / "of my own"
    (folder / "student").mkdir(parents=True)
    (folder / "student" / "mine.yaml").write_text("defaults: [tiny_cnn, _self_]\nwidth: 5\n")
    for option in (["--config-dir", str(folder)], [f"--config-dir={folder}"], ["-cd", str(folder)]):
        words = read_hydras_options(["-p", "gpu", *option, "student=mine"])
        assert read_words(words)[1] == ["-p gpu"]
        _, (job,) = compose_command(ROOT / "conf", read_words(words)[2], refuse_password)
        assert job.config["student"]["width"] == 5

    for words, message in (
        (["--config-dir"], "--config-dir: give a folder"),
        (["--config-dir=nowhere", "seed=0"], "nowhere is none"),
        (["--config-name=other", "seed=0"], "--config-name: is for"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_hydras_options(words)


def test_a_password_of_the_environment_stays_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENKD_STORAGE", "postgresql://me:pass-word@host/studies")
    words = ["temperature=fixed", "seed=0,1", "storage=${oc.env:GREENKD_STORAGE}"]
    _, jobs = compose_command(ROOT / "conf", words, refuse_password)
    assert [job.portable["storage"] for job in jobs] == ["${oc.env:GREENKD_STORAGE}"] * 2
    assert [job.config["storage"] for job in jobs] == ["postgresql://me:pass-word@host/studies"] * 2
