"""RAPL, the energy counters of Intel and AMD processors, read from Linux's powercap tree."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from greenkd import __version__
from greenkd.energy.meters.base import ABSENT, MACHINE, Component, Part, Reading
from greenkd.errors import ConfigError
from greenkd.records import Source

POWERCAP = Path("/sys/class/powercap")


@dataclass(slots=True)
class _Domain:
    """One counter, in µJ, that starts again at 0 after `range_uj`.

    Attributes:
        path: Its folder in the powercap tree.
        part: The part of the machine it counts.
        range_uj: The highest value it can have.
        last_uj: Its value when it was read last.
        total_uj: What it has counted since the meter was opened.
    """

    path: Path
    part: Part
    range_uj: int
    last_uj: int
    total_uj: int = 0

    def advance(self) -> None:
        """Reads the counter; one wrap-around since the last reading is accounted for."""
        value_uj = _number(self.path / "energy_uj")
        step_uj = value_uj - self.last_uj

        self.total_uj += step_uj if step_uj >= 0 else step_uj + self.range_uj
        self.last_uj = value_uj


class Rapl:
    """Energy counters of all processor packages, added up, and of the memory where it has one.

    Counts the whole machine: on a shared one, neighbours' work is in the figure. A counter that may not be read
    (Linux allows root only, since 2020) is absent, never 0.

    Args:
        root: The powercap tree.

    Raises:
        ConfigError: No package counter can be read.
    """

    name = "rapl"
    version = __version__
    method = "counter"
    scope = "machine"
    min_window_s = 0.1
    # The counter moves every ms.
    resolution_s = 0.01
    shared: Mapping[Part, frozenset[str]] = MappingProxyType({"cpu": MACHINE, "ram": MACHINE})

    def __init__(self, root: Path = POWERCAP) -> None:
        self._domains, self._warnings = _find(Path(root))
        parts: frozenset[Part] = frozenset(domain.part for domain in self._domains)
        if "cpu" not in parts:
            cure = f"run: sudo chmod -R a+r {root}/intel-rapl*" if self._warnings else "choose energy=codecarbon"
            raise ConfigError(f"energy=rapl: no readable processor counter below {root}; {cure}")

        self.expected = parts
        packages = sum(domain.part == "cpu" for domain in self._domains)
        self.sensor = f"RAPL, {packages} package(s)" + (" and DRAM" if "ram" in parts else "")

    def snapshot(self) -> Reading:
        """Reads all counters."""
        for domain in self._domains:
            domain.advance()

        return Reading(cpu=self._sum("cpu"), ram=self._sum("ram"), warnings=self._warnings)

    def close(self) -> None:
        """Has nothing to end."""

    def _sum(self, part: Part) -> Component:
        totals = [domain.total_uj for domain in self._domains if domain.part == part]
        return Component(sum(totals) / 1e6, Source.MEASURED) if totals else ABSENT


def rapl_is_readable(root: Path = POWERCAP) -> bool:
    """Tells whether at least one package counter can be read."""
    return any(domain.part == "cpu" for domain in _find(root)[0])


def _find(root: Path) -> tuple[list[_Domain], tuple[str, ...]]:
    """Finds package and DRAM counters; `core` and `uncore` are inside a package, `psys` would count it twice."""
    domains: list[_Domain] = []
    warnings = []
    seen: set[str] = set()

    for folder in sorted([*root.glob("intel-rapl:*"), *root.glob("intel-rapl:*/intel-rapl:*")]):
        if folder.name in seen:  # a subdomain is listed below its package and beside it
            continue
        seen.add(folder.name)

        # What it counts
        try:
            kind = (folder / "name").read_text(encoding="ascii").strip()
        except OSError:
            continue
        part: Part | None = "cpu" if kind.startswith("package") else "ram" if kind == "dram" else None
        if part is None:
            continue

        # Whether it may be read
        try:
            value_uj = _number(folder / "energy_uj")
            domains.append(_Domain(folder, part, _number(folder / "max_energy_range_uj"), value_uj))
        except OSError as error:
            warnings.append(f"rapl: {folder.name} ({kind}) cannot be read: {error.strerror}")

    return domains, tuple(warnings)


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))
