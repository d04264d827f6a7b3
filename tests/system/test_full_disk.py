"""A disk that fills up at any moment: one line that names the file, exit code 2, and nothing lost."""

from pathlib import Path

import pytest

from greenkd.records import TrialRow, read_rows
from tests.system.conftest import Run

pytestmark = [pytest.mark.system, pytest.mark.slow]
WORDS = ("-m", "smoke=true", "temperature=fixed,stochastic", "energy=simulated")
TROUBLE = ("Traceback", "raised", "Logging error")


def trials(root: Path) -> dict[str, tuple[object, ...]]:
    rows = {file.parent.parent.name: read_rows(file, TrialRow).rows for file in root.rglob("trials.jsonl")}
    return {name: tuple((row.params, row.val_loss, row.train_loss) for row in found) for name, found in rows.items()}


def test_one_line_at_any_moment_and_the_same_end(greenkd: Run, base: Path, tmp_path: Path) -> None:
    def run(folder: Path, **environment: str) -> tuple[int, str]:
        where = f"hydra.sweep.dir={folder / 'sweep'}", f"cache_dir={folder / 'cache'}"
        done = greenkd(*WORDS, *where, **environment)
        return done.returncode, done.stdout + done.stderr

    whole = base / "whole"
    assert run(whole)[0] == 0

    # Of Hydra, of a campaign, of the cache; of a campaign that follows; of the comparison
    broken = base / "broken"
    moments = (
        "/multirun.yaml",
        "/fixed/.*/.hydra/overrides.yaml",
        "/cache/teachers/.*/epochs.jsonl",
        "/trials.jsonl",
        "/stochastic/.*/.hydra/config.yaml",
        "comparison.tex",
    )
    for moment in moments:
        code, said = run(broken, FULL_FROM=moment)
        assert code == 2, said
        assert not any(word in said for word in TROUBLE), said
        (line,) = (line for line in said.splitlines() if "No space left" in line and line.startswith("error: "))
        assert "free some space" in line

    assert run(broken)[0] == 0
    assert trials(broken) == trials(whole)
    assert len(trials(whole)) == 2
