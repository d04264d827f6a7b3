"""Writers escape what records may hold; the paper's table, inference, re-pricing, the command line."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import analysis
from analysis.cli import main
from analysis.frames import columns
from analysis.frames.pricing import country_intensity
from analysis.results.inference import inference
from analysis.units import figure, scale
from analysis.views.paper_table import TABLE_4, paper_table
from analysis.views.table import Table, csv_escape, latex_escape, to_html, to_latex, to_markdown
from greenkd.records import Costs, InferenceRecord, StrategyKind, read_campaign
from greenkd.records import write_campaign as write_record
from tests.analysis.sweeps import WATTS, Plan, Trial, standard_plans, write_campaign, write_sweep

NASTY = Table(
    title=r"<script>alert(1)</script> \input{/etc/passwd}",
    header=("a|b", "50 % & more_"),
    rows=(("<b>&$x^2~", "1"), ("=1+1\nnew | line", "–")),
    notes=("{note} #1",),
)


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "analysis", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_latex_is_never_obeyed() -> None:
    text = to_latex(NASTY)
    assert r"\input" not in text
    assert r"\textbackslash{}input\{/etc/passwd\}" in text
    assert r"50 \% \& more\_" in text
    assert latex_escape("τ=4 ± 2") == r"$\tau$=4 $\pm$ 2"
    assert text.count(r"\\") == 3  # header and two rows


def test_html_and_markdown_hold_no_markup_of_records() -> None:
    assert "<script" not in to_html(NASTY)
    assert "<b>" not in to_html(NASTY)
    markdown = to_markdown(NASTY)
    assert "<script" not in markdown
    row = next(line for line in markdown.splitlines() if "new" in line)
    assert row.replace("\\|", "").count("|") == 3


def test_spreadsheets_run_nothing() -> None:
    assert csv_escape("=cmd()") == "'=cmd()"
    assert csv_escape("+0.46") == "+0.46"
    assert csv_escape("−0.46") == "−0.46"


def test_one_unit_per_column_from_the_magnitude() -> None:
    assert scale("energy_kwh", [0.0011, 0.02]) == (1e3, "Wh")
    assert scale("energy_kwh", [0.0011, 4.0]) == (1.0, "kWh")
    assert scale("energy_kwh", [float("nan")])[1] == "Wh"
    assert [figure(value) for value in (0.0, 0.06159, 1.1, 20.94, 2257.4, float("nan"))] == [
        "0", "0.0616", "1.10", "20.9", "2,257", "–",
    ]  # fmt: skip


def test_the_papers_table_is_complete_and_consistent() -> None:
    assert len(TABLE_4) == 24
    tuned = {(row.dataset, row.loss): row for row in TABLE_4 if row.method == "tuned"}
    for row in TABLE_4:
        if row.method == "stochastic":  # 19 or 20 trainings, as the dossier derives
            assert 18.9 < tuned[row.dataset, row.loss].gflops_millions / row.gflops_millions < 20.1
            assert 17.5 < tuned[row.dataset, row.loss].co2eq_g / row.co2eq_g < 20.5


def test_ours_stand_beside_the_published_rows(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=(0, 1), dataset="cifar10")
    table = paper_table(analysis.compare(analysis.load(tmp_path)))
    assert table.rows[0][:5] == ("CIFAR-10", "HKD", "tuned", "published", "91.78 ± 0.14")
    assert table.rows[1][3].startswith("ours: grid")
    assert len(table.rows) == 26


def test_inference_per_thousand_images(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=(0,))
    found = inference(analysis.load(tmp_path)).set_index("role")
    # Planted: the student 0.5 s for 500 images, the teacher 1 s for 500.
    assert found.loc["teacher", "duration_s"] == pytest.approx(2.0)
    assert list(found.loc["student", "duration_s"]) == pytest.approx([1.0, 1.0])
    assert found.loc["teacher", "energy_kwh"] == pytest.approx(2.0 * WATTS / 3.6e6)


def test_inference_on_record_comes_before_the_ledger(tmp_path: Path) -> None:
    costs = Costs(energy_kwh=1e-6, co2eq_g=5e-5, duration_s=0.2, cpu_s=0.4, flops=1e6, forward_flops=1e6)
    metered = InferenceRecord(
        network="narrow", parameters=10, images=200, batch_size=50, threads=1, passes=3, costs=costs,
        images_per_s=1000.0, peak_memory_bytes=2**21, peak_memory_method="tensors",
    )  # fmt: skip
    path = write_campaign(tmp_path, standard_plans(seeds=(0,))[1]) / "campaign.json"
    write_record(path, dataclasses.replace(read_campaign(path), student_inference=metered))
    found = inference(analysis.load(tmp_path)).set_index("role").loc["student"]
    assert found["duration_s"] == pytest.approx(1.0)
    assert found["energy_kwh"] == pytest.approx(5e-6)
    assert found["peak_memory_bytes"] == 2**21
    priced = inference(analysis.load(tmp_path, pricing=analysis.make_pricing(intensity=100.0)))
    assert priced.set_index("role").loc["student", "co2eq_g"] == pytest.approx(5e-4)


def test_the_teacher_is_charged_three_ways(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=(0, 1), taus=(2, 4))
    row = analysis.compare(analysis.load(tmp_path)).table.set_index("strategy").loc["grid"]
    assert row["energy_kwh_with_teacher"] - row["tuning_energy_kwh"] == pytest.approx(0.010)
    assert row["energy_kwh_with_teacher_shared"] - row["tuning_energy_kwh"] == pytest.approx(0.010 / 4)


def test_repricing_changes_grams_and_nothing_else(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=(0,))
    before = analysis.compare(analysis.load(tmp_path)).table
    pricing = analysis.make_pricing(intensity=500.0, pue=1.5, price=0.25)
    after = analysis.compare(analysis.load(tmp_path, pricing=pricing)).table
    expected = before["tuning_energy_kwh"] * 1.5 * 500
    assert list(after["tuning_co2eq_g"]) == pytest.approx(list(expected))
    assert list(after["tuning_money"]) == pytest.approx(list(before["tuning_energy_kwh"] * 1.5 * 0.25))
    assert list(after["tuning_energy_kwh"]) == list(before["tuning_energy_kwh"])
    # The teacher's grams follow, so the multiple of it stays what energy says.
    assert list(after["co2eq_g_x_teacher"]) == pytest.approx(list(after["energy_kwh_x_teacher"]))


def test_only_a_new_pue_keeps_each_rows_intensity(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=(0,), intensity=56.0)
    after = analysis.compare(analysis.load(tmp_path, pricing=analysis.make_pricing(pue=2.0))).table
    assert list(after["tuning_co2eq_g"]) == pytest.approx(list(after["tuning_energy_kwh"] * 2 * 56))


def test_countries_come_from_the_installed_tables() -> None:
    france = country_intensity("FRA")
    assert 10 < france.g_per_kwh < 150
    assert country_intensity("fr") == country_intensity("France") == france
    assert "codecarbon" in france.table
    assert 2015 < france.year < 2100


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


def test_the_baseline_can_be_another_strategy(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=(0, 1))
    comparison = analysis.compare(analysis.load(tmp_path), baseline="grid")
    found = comparison.table.set_index("strategy")
    assert found.loc["stochastic", "energy_kwh_x_baseline"] == pytest.approx(1 / 19)


def test_frames_have_the_documented_columns(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=(0,), epochs=2)
    sweep = analysis.load(tmp_path)
    assert list(sweep.campaigns) == list(columns.CAMPAIGNS)
    assert list(sweep.trials) == list(columns.TRIALS)
    assert list(sweep.epochs) == list(columns.EPOCHS)
    assert list(sweep.steps) == list(columns.STEPS)
    assert list(sweep.ledger) == list(columns.LEDGER)
    assert list(analysis.strategy_runs(sweep)) == list(columns.RUNS)
    assert len(sweep.epochs) == 20 * 2
    assert len(sweep.steps) == 2 * 20
    assert sweep.steps["tau"].between(2, 20).all()
    documented = (Path(__file__).parents[3] / "docs" / "analysis.md").read_text(encoding="utf-8")
    for frame in (columns.CAMPAIGNS, columns.TRIALS, columns.EPOCHS, columns.STEPS, columns.LEDGER, columns.RUNS):
        assert all(
            f"`{name}`" in documented
            for name in frame
            if not name.startswith(("teacher_", "tuning_", "logits_", "final_"))
        )


def test_rows_of_an_older_or_newer_greenkd_are_read(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, seeds=(0,))
    for path in folder.rglob("ledger.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        optional = {"status", "warnings"}
        kept = [{key: value for key, value in row.items() if key not in optional} | {"future": 1} for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in kept))
    sweep = analysis.load(folder)
    assert not sweep.problems
    assert set(sweep.ledger["status"]) == {"ok"}


def test_help_is_quick_to_import_and_shows_examples() -> None:
    code = (
        "import sys\nfrom analysis.cli import parser\nparser().format_help()\n"
        "heavy = {'pandas', 'matplotlib', 'plotly', 'statsmodels', 'torch', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "examples" in run("--help").stdout
