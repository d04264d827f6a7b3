"""No import runs upwards; the floors are those of CONTRIBUTING.md."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the ground up. Rooms of one floor do not know each other, but for the ground floor's, which may.
FLOORS = (
    (
        *("errors", "streams", "records", "carbon", "components", "identity", "network_cards", "collector", "__init__"),
        *("process_clock", "softening", "sample_hash", "output_encoding", "whereabouts", "environment_values", "stops"),
        *("anchors", "slurm", "completion", "locks", "late_packages"),
    ),
    ("temperature", "objectives", "data", "models", "energy", "loggers"),
    ("tasks", "leases"),
    ("training",),
    ("teacher", "synthesis"),
    ("campaign",),
    ("estimate",),
    ("configuration",),
    ("sweep", "weights", "export"),
    ("run",),
    ("__main__",),
)
GROUND = FLOORS[0]


def floor(name: str) -> int:
    for number, rooms in enumerate(FLOORS):
        if name in rooms:
            return number
    raise AssertionError(f"greenkd.{name} stands on no floor: add it to tests/test_layering.py")


@functools.cache
def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def place(path: Path) -> str:
    parts = path.relative_to(ROOT / "greenkd").with_suffix("").parts
    return parts[0]


SOURCES = sorted((ROOT / "greenkd").rglob("*.py"))
ROOMS = sorted({place(path) for path in SOURCES})


@pytest.mark.parametrize("own", ROOMS)
def test_no_import_runs_upwards(own: str) -> None:
    for path in SOURCES:
        if place(path) == own:
            check_floor(path, own)


def check_floor(path: Path, own: str) -> None:
    if own == "__init__":
        return  # the gate: it names what it imports later
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "analysis":
            is_unit = name in ("analysis", "analysis.units")  # plain words for figures, in a model card too
            assert own == "sweep" or (own == "export" and is_unit), f"{path} imports {name}"
        if parts[0] != "greenkd" or len(parts) == 1:
            continue
        other = parts[1]
        if other == own or not ((ROOT / "greenkd" / other).exists() or (ROOT / "greenkd" / f"{other}.py").exists()):
            continue
        if other in GROUND:
            continue
        assert floor(other) < floor(own), f"{path} imports {name}, which does not stand below it"


ANALYSIS = sorted((ROOT / "analysis").rglob("*.py"))


def test_analysis_stands_on_the_ground_floor() -> None:
    for path in ANALYSIS:
        names = {name for name in imported(path) if name.split(".")[0] == "greenkd"}
        assert all(name.split(".")[1] in GROUND for name in names if "." in name), f"{path} imports {names}"
        assert not any(name.split(".")[0] == "torch" for name in imported(path)), path


# The way of the data within the analysis, from the records to the command line.
ANALYSIS_FLOORS = ("units", "frames", "results", "views", "api", "__init__", "cli", "__main__")


def analysis_place(path: Path) -> str:
    return path.relative_to(ROOT / "analysis").with_suffix("").parts[0]


@pytest.mark.parametrize("own", sorted({analysis_place(path) for path in ANALYSIS}))
def test_no_import_of_the_analysis_runs_back(own: str) -> None:
    for path in ANALYSIS:
        if analysis_place(path) == own:
            check_analysis_floor(path, own)


def check_analysis_floor(path: Path, own: str) -> None:
    if own == "__init__":
        return  # the gate: it names what it imports later

    # A name that is taken from the package and is no room of its own comes through the gate.
    rooms = {name.split(".")[1] for name in imported(path) if name.startswith("analysis.")}
    rooms = {room if room in ANALYSIS_FLOORS else "__init__" for room in rooms}
    if "import analysis\n" in path.read_text(encoding="utf-8"):
        rooms.add("__init__")

    for room in rooms:
        assert ANALYSIS_FLOORS.index(room) <= ANALYSIS_FLOORS.index(own), f"{path} imports analysis.{room}"


def test_analysis_runs_without_torch() -> None:
    code = "import analysis, sys; assert 'torch' not in sys.modules, 'torch was imported'"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_package_is_light_though_it_has_a_loader() -> None:
    code = (
        "import greenkd, sys; assert 'torch' not in sys.modules, 'torch was imported'; "
        "assert not hasattr(greenkd, 'load_teacher'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_help_needs_no_torch() -> None:
    code = "import sys; sys.argv = ['run.py']; import run; assert 'torch' not in sys.modules, 'torch was imported'"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_command_that_looks_needs_no_tracer() -> None:
    words = "'-m', 'temperature=grid', 'student=mobilenet_v2,shufflenet_v2,resnet8', 'dry_run=true'"
    code = (
        f"import sys, atexit, gc; sys.argv = ['run.py', {words}]; "
        "late = ('torchvision', 'torch._dynamo', 'torch.utils.flop_counter'); "
        "atexit.register(lambda: print([name in sys.modules for name in late], gc.get_freeze_count() > 100_000)); "
        "import run; run.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "digits  small_cnn → mobilenet_v2 " in done.stdout
    assert done.stdout.splitlines()[-1] == "[False, False, False] True", done.stderr
