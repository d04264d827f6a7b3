"""`make sweep`, the newcomer's first command: what it runs, shrunk, shows seeds, a bound, a picture and verdicts."""

import shlex
from pathlib import Path

import pytest

import analysis
from tests.system.conftest import ROOT, Run

pytestmark = [pytest.mark.system, pytest.mark.slow]


def commands_of(target: str) -> list[list[str]]:
    """Returns the words of a Makefile's commands."""
    _, _, rest = (ROOT / "Makefile").read_text().partition(f"\n{target}:")
    lines = rest.splitlines()[1:]
    body = lines[: next(number for number, line in enumerate(lines) if not line.startswith("\t"))]
    return [shlex.split(line) for line in body]


def test_the_demo_shows_seeds_a_bound_a_picture_and_verdicts(greenkd: Run, base: Path) -> None:
    sweep, report = commands_of("sweep")
    assert sweep[1] == "run.py"
    assert report[1:4] == ["-m", "analysis", "multirun/default"]

    # Three of its seeds: as many as the first look needs
    (seeds,) = (word.partition("=")[2].split(",") for word in sweep if word.startswith("seed="))
    assert len(seeds) >= 3
    words = [f"seed={','.join(seeds[:3])}" if word.startswith("seed=") else word for word in sweep[2:]]
    done = greenkd(*words, "sweep=demo", "smoke=true")
    assert done.returncode == 0, done.stderr
    done = greenkd("multirun/demo", *report[4:], program=("-m", "analysis"))
    assert done.returncode == 0, done.stderr

    comparison = analysis.compare(analysis.load(base / "multirun" / "demo"))
    assert set(comparison.table["kind"]) == {"fixed", "grid", "stochastic"}
    assert comparison.table["seeds"].min() == 3
    assert comparison.table.set_index("kind").loc["grid", "trials_per_seed"] == 2  # of a smoke run
    (bound,) = analysis.responses(comparison)
    verdicts = analysis.verdicts(comparison)
    assert {(verdict.strategy, verdict.control) for verdict in verdicts} == {
        ("grid_coarse", "stochastic"),
        ("grid_coarse", "fixed τ=4"),
        ("stochastic", "fixed τ=4"),
    }

    page = (base / "multirun" / "demo" / "report.html").read_text(encoding="utf-8")
    places = [page.index(text) for text in ("<h1", '<figure class="lead"', "<table", '<ul class="verdicts">')]
    assert places == sorted(places)
    assert bound.score.sentence(0.5)[1:] in page[: places[1]]
