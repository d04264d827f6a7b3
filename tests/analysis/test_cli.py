"""The command line: answers in a line, files where they are told to go, quick help."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import analysis
from analysis.cli import main
from greenkd.records import CampaignStatus, StrategyKind
from tests.analysis.plans import Plan, Trial, grid, stochastic
from tests.analysis.sweeps import write_sweep
from tests.commands import ROOT, typed


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return typed(*map(str, arguments), program=("-m", "analysis"), cwd=ROOT)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--country", "XYZ"], "no such country"),
        (["--country", "FRA", "--intensity", "5"], "two intensities"),
        (["--pue", "0.9"], "at least 1"),
        (["--intensity", "nan"], "out of range"),
        (["--margin", "lots"], "percentage points"),
        (["--group-by", "colour"], "choose from"),
    ],
)
def test_wrong_options_are_answered_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    write_sweep(tmp_path, [Plan(strategy="grid", kind=StrategyKind.GRID, seed=0, trials=[Trial()])])
    try:
        code = main([str(tmp_path), *arguments])
    except SystemExit as left:  # argparse leaves by itself
        code = left.code
    assert code == 2
    assert said in capsys.readouterr().err


def test_the_command_line_writes_where_it_is_told(tmp_path: Path) -> None:
    write_sweep(tmp_path / "a", seeds=(0,))
    write_sweep(tmp_path / "b", seeds=(1,), salt=3)
    out = tmp_path / "out"
    done = run(
        tmp_path / "a", tmp_path / "b", "--out", out, "--format", "csv", "--group-by", "dataset", "--price", "0.3"
    )
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(out / "comparison.csv")
    assert set(table["seeds"]) == {2}
    assert "money" in done.stdout.splitlines()[0]
    assert (out / "verdict.csv").exists()
    assert not (tmp_path / "a" / "comparison.csv").exists()


def test_help_is_quick_to_import_and_shows_examples() -> None:
    code = (
        "import sys\nfrom analysis.cli import make_parser\nmake_parser().format_help()\n"
        "heavy = {'pandas', 'matplotlib', 'jinja2', 'statsmodels', 'torch', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "examples" in run("--help").stdout


def test_a_folder_without_campaigns_is_answered_not_traced(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode != 0
    assert "no campaign" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_sweep_that_has_only_begun_is_a_table_with_what_is_missing(tmp_path: Path) -> None:
    write_sweep(tmp_path, [grid(0, status=CampaignStatus.RUNNING, planned=19), stochastic(0)])
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "0 of 19 trials complete" in " ".join(done.stdout.split())


def test_no_torch_is_imported() -> None:
    code = "import sys, analysis, analysis.cli; analysis.load; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    assert analysis.load is analysis.api.load
    with pytest.raises(AttributeError, match="no_such_name"):
        analysis.no_such_name  # noqa: B018
