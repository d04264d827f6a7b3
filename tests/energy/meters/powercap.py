"""A folder that looks like the kernel's powercap tree, with counters that a test sets."""

from pathlib import Path


class Powercap:
    """Two packages, one with DRAM and a core domain, and a psys domain that would count everything twice."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, kind in {
            "intel-rapl:0": "package-0",
            "intel-rapl:0/intel-rapl:0:0": "core",
            "intel-rapl:0/intel-rapl:0:1": "dram",
            "intel-rapl:1": "package-1",
            "intel-rapl:2": "psys",
        }.items():
            folder = root / name
            folder.mkdir(parents=True)
            (folder / "name").write_text(kind + "\n")
            (folder / "max_energy_range_uj").write_text("262143328850\n")
            (folder / "energy_uj").write_text("1000000\n")
        # The kernel lists subdomains a second time, at the top.
        (root / "intel-rapl:0:1").symlink_to(root / "intel-rapl:0" / "intel-rapl:0:1")

    def set(self, name: str, joules: float) -> None:
        (self.root / name / "energy_uj").write_text(f"{int(joules * 1e6)}\n")

    def write(self, name: str, text: str, file: str = "energy_uj") -> None:
        (self.root / name / file).write_text(text + "\n", encoding="utf-8")

    def describe(self, name: str, range_j: float, sustained_w: int | None) -> None:
        """Says how far a package's counter goes, and what the package draws for long."""
        self.write(name, str(int(range_j * 1e6)), "max_energy_range_uj")
        if sustained_w is not None:
            self.write(name, str(sustained_w * 1_000_000), "constraint_0_max_power_uw")

    def forbid(self, name: str) -> None:
        path = self.root / name / "energy_uj"
        path.unlink()
        path.mkdir()  # unreadable for root too, who runs tests in containers
