"""What a study consists of, as its `study.yaml` says: its sweeps in order, its budget, and the part that is checked."""

import dataclasses
from pathlib import Path

import pydantic
import yaml

from greenkd.errors import ConfigError, StorageError
from greenkd.records.packing import SUFFIX


@pydantic.dataclasses.dataclass(frozen=True, config=pydantic.ConfigDict(extra="forbid"))
class Plan:
    """The keys of `study.yaml`.

    Attributes:
        sweeps: Names of the experiments, in the order in which they are run.
        core_hours: What all of them together may take, hours of one core.
        check: Names of the experiments that repeat a part of them.
        margin: Smallest gain worth paying for, percentage points, that the text of the study uses.
    """

    sweeps: tuple[str, ...]
    core_hours: float
    check: tuple[str, ...]
    margin: float


@dataclasses.dataclass(frozen=True)
class Study:
    """A study in a folder of its own.

    Attributes:
        folder: Holds `study.yaml`, the experiments, and the packed records.
        plan: What `study.yaml` says.
    """

    folder: Path
    plan: Plan

    def archive(self, sweep: str) -> Path:
        """Returns where the packed records of a sweep lie, or will."""
        return self.folder / "records" / f"{sweep}{SUFFIX}"

    def sweep_folder(self, sweep: str) -> Path:
        """Returns the folder that a sweep writes while it runs."""
        return Path("multirun") / f"{self.folder.name}-{sweep.replace('_', '-')}"

    def is_packed(self, sweep: str) -> bool:
        """Whether the records of a sweep are in the study already."""
        return self.archive(sweep).is_file()


def read_study(folder: Path) -> Study:
    """Reads a study.

    Raises:
        StorageError: There is no `study.yaml`.
        ConfigError: It says what no study does, or names an experiment that is not there.
    """
    path = folder / "study.yaml"
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be read ({error.strerror}); give a study's folder: studies/cpu-2026"
        ) from error

    try:
        plan = pydantic.TypeAdapter(Plan).validate_python(fields)
    except pydantic.ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "the file"
        raise ConfigError(f"{path}: {where}: {problem['msg']}; it has sweeps, core_hours, check and margin") from error

    for name in (*plan.sweeps, *plan.check):
        if not (folder / "experiment" / f"{name}.yaml").is_file():
            raise ConfigError(f"{path}: {name!r} is no experiment in {folder / 'experiment'}")
    return Study(folder, plan)
