"""RAPL, the energy counters of Intel and AMD processors, read from Linux's powercap tree."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from greenkd import __version__
from greenkd.energy.clock import Clock
from greenkd.energy.meters.base import ABSENT, MACHINE, Component, Part, Reading
from greenkd.errors import ConfigError
from greenkd.records import Source

POWERCAP = Path("/sys/class/powercap")


# The largest package sold draws 500 W; this is for domains that do not say what they may draw.
_GENEROUS_W = 1000.0
# What a domain says is sustained power. In turbo a laptop's processor of 15 W draws 64 W, a desktop's of 125 W 350 W.
_TURBO = 5.0
_LEAST_LIMIT_W = 100.0
# Counters move in steps and are read one after the other: over less than this, power means nothing.
_LEAST_S = 1.0
# Digits of the largest number that the kernel writes, 2⁶⁴ - 1.
_LONGEST = 20


class _StartedAgainError(Exception):
    """The counter's step is more than the hardware can draw, so it was set to another value; the message says so."""


@dataclass(slots=True)
class _Domain:
    """One counter, in µJ, that starts again at 0 after `range_uj`.

    Attributes:
        path: Its folder in the powercap tree.
        part: The part of the machine it counts.
        range_uj: The highest value it can have.
        limit_w: More than what it counts can draw.
        last_uj: Its value when it was read last.
        read_at_s: When that was, by the monotonic clock.
        total_uj: What it has counted since the meter was opened.
    """

    path: Path
    part: Part
    range_uj: int
    limit_w: float
    last_uj: int
    read_at_s: float
    total_uj: int = 0

    def advance(self, now_s: float) -> None:
        """Reads the counter; one wrap-around since the last reading is accounted for.

        Raises:
            OSError: It cannot be read any more.
            ValueError: It holds no number.
            _StartedAgainError: Waking up, or loading the driver again, set it to another value.
        """
        value_uj = _number(self.path / "energy_uj")
        step_uj = value_uj - self.last_uj
        if step_uj < 0:
            step_uj += self.range_uj

        elapsed_s = now_s - self.read_at_s
        self.last_uj, self.read_at_s = value_uj, now_s
        if step_uj < 0:
            raise _StartedAgainError(
                "it ran backwards by more than its range (max_energy_range_uj): it has started again, "
                "and what was used meanwhile is unknown"
            )
        if not is_plausible(step_uj / 1e6, elapsed_s, self.limit_w):
            raise _StartedAgainError(
                f"{step_uj / 1e6:.0f} J in {elapsed_s:.1f} s is more than it can draw ({self.limit_w:.0f} W): "
                "it has started again, and what was used meanwhile is unknown"
            )

        self.total_uj += step_uj


class Rapl:
    """Energy counters of all processor packages, added up, and of the memory where it has one.

    Counts the whole machine: on a shared one, neighbours' work is in the figure. A counter that may not be read
    (Linux allows root only, since 2020) or holds no number is absent, never 0. One that starts again, as after sleep or
    when the driver is loaded anew, makes the window in which it did so invalid; it is no wrap-around.

    Args:
        root: The powercap tree.
        clock: Another clock than the process's, for tests.

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

    def __init__(self, root: Path = POWERCAP, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._domains, self._warnings = _find(Path(root), self._clock.seconds())
        parts: frozenset[Part] = frozenset(domain.part for domain in self._domains)
        if "cpu" not in parts:
            found = f" ({'; '.join(self._warnings)})" if self._warnings else ""
            cure = f"run: sudo chmod -R a+r {root}/intel-rapl*, or " if self._warnings else ""
            raise ConfigError(
                f"energy=rapl: no readable processor counter below {root}{found}; {cure}choose energy=codecarbon"
            )

        self.expected = parts
        packages = sum(domain.part == "cpu" for domain in self._domains)
        self.sensor = f"RAPL, {packages} package(s)" + (" and DRAM" if "ram" in parts else "")

    def snapshot(self) -> Reading:
        """Reads all counters; a part of which one cannot be read is absent."""
        now_s = self._clock.seconds()
        warnings = list(self._warnings)
        absent: set[Part] = set()
        breaks: set[Part] = set()

        for domain in self._domains:
            try:
                domain.advance(now_s)
            except _StartedAgainError as error:
                breaks.add(domain.part)
                warnings.append(f"rapl: {domain.path.name} ({domain.part}): {error}")
            except (OSError, ValueError) as error:
                absent.add(domain.part)
                warnings.append(f"rapl: {domain.path.name} ({domain.part}) cannot be read: {_reason(error)}")

        return Reading(
            cpu=ABSENT if "cpu" in absent else self._sum("cpu"),
            ram=ABSENT if "ram" in absent else self._sum("ram"),
            warnings=tuple(warnings),
            breaks=frozenset(breaks),
        )

    def close(self) -> None:
        """Has nothing to end."""

    def _sum(self, part: Part) -> Component:
        totals = [domain.total_uj for domain in self._domains if domain.part == part]
        return Component(sum(totals) / 1e6, Source.MEASURED) if totals else ABSENT


def rapl_is_readable(root: Path = POWERCAP) -> bool:
    """Tells whether at least one package counter can be read."""
    return bool(processor_limit_w(root))


def processor_limit_w(root: Path = POWERCAP) -> float:
    """Returns more watts than all processor packages with a readable counter can draw; 0 where there is none."""
    return sum(domain.limit_w for domain in _find(root, 0.0)[0] if domain.part == "cpu")


def is_plausible(joules: float, seconds: float, limit_w: float) -> bool:
    """Tells whether so much energy can have been used in so short a time."""
    return joules <= limit_w * max(seconds, _LEAST_S)


def leap(name: str, joules: float, seconds: float, limit_w: float) -> str | None:
    """Returns a warning where a package's figure for the processors is more than they can draw; None where it is not.

    Such packages take a RAPL counter that starts again, as after sleep, for one that has wrapped around.

    Args:
        name: Of the meter.
        joules: Of all processors.
        seconds: What they are said to have used it in.
        limit_w: From `processor_limit_w`; 0 where RAPL is not read.
    """
    if not limit_w or is_plausible(joules, seconds, limit_w):
        return None
    return f"{name}: {joules:.0f} J in {seconds:.1f} s is more than the processors can draw ({limit_w:.0f} W)"


def _find(root: Path, now_s: float) -> tuple[list[_Domain], tuple[str, ...]]:
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
            kind = (folder / "name").read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            continue
        part: Part | None = "cpu" if kind.startswith("package") else "ram" if kind == "dram" else None
        if part is None:
            continue

        # Whether it may be read
        try:
            value_uj, range_uj = _number(folder / "energy_uj"), _number(folder / "max_energy_range_uj")
            domains.append(_Domain(folder, part, range_uj, _limit_w(folder), value_uj, now_s))
        except (OSError, ValueError) as error:
            warnings.append(f"rapl: {folder.name} ({kind}) cannot be read: {_reason(error)}")

    return domains, tuple(warnings)


def _limit_w(folder: Path) -> float:
    """Returns more watts than a domain can draw, from the sustained power it gives for itself."""
    try:
        sustained_w = _number(folder / "constraint_0_max_power_uw") / 1e6
    except (OSError, ValueError):
        sustained_w = 0.0

    return max(_TURBO * sustained_w, _LEAST_LIMIT_W) if sustained_w else _GENEROUS_W


def _number(path: Path) -> int:
    text = path.read_text(encoding="ascii", errors="replace").strip()
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST:
        raise ValueError(f"it holds {text[:20]!r}, no number")

    return int(text)


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{Path(str(error.filename)).name}: {error.strerror}"
    return str(error)
