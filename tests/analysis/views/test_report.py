"""The report page: self-contained, escaped, traceable; in a real browser: sorts, fits, draws."""

import csv
import dataclasses
import io
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import analysis
from analysis.views.figures import figures, write_picture
from analysis.views.paper_table import paper_table
from analysis.views.reach_table import reach_tables
from analysis.views.source_check import check_sources
from analysis.views.verdict_table import verdict_table
from greenkd.records import CampaignStatus, Source, StrategyKind
from tests.analysis.plans import standard_plans
from tests.analysis.sweeps import Plan, Trial, write_campaign, write_sweep

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")

# Texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, 1.4.3), charts included.
CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
    const v = c[i] / 255;
    return sum + weight * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  }, 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const e of document.querySelectorAll('p, li, th, td, figcaption, dt, dd, h1, h2, a, button, .word, svg text')) {
    if (!e.textContent.trim()) continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(parse(e.ownerSVGElement ? style.fill : style.color)), light(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) low.push(e.textContent.trim().slice(0, 40));
  }
  return low;
}"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a sweep with everything in it."""
    root = write_sweep(tmp_path_factory.mktemp("sweep"), search=6, epochs=3, taus=(2, 4, 8, 12))
    sweep = analysis.load(root)
    return analysis.write_report(sweep, analysis.compare(sweep), root)


def test_the_page_asks_the_network_for_nothing(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"""<(?:script|link|img)[^>]*(?:src|href)=["']https?:""", text)
    assert "@import" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def test_every_figure_is_png_and_svg_and_once_in_the_page_with_what_it_says(page: Path) -> None:
    names = {path.stem for path in (page.parent / "figures").glob("*.png")}
    assert names == {path.stem for path in (page.parent / "figures").glob("*.svg")}
    assert names == {
        "accuracy-vs-co2", "accuracy-vs-tau", "cost-and-gain", "cost-to-reach", "energy-by-phase", "inference",
        "pareto", "tau-response", "tau-trace",
    }  # fmt: skip

    text = page.read_text(encoding="utf-8")
    assert sorted(re.findall(r'<figure[^>]* id="figure-([^"]*)"', text)) == sorted(names)
    alts = re.findall(r'<div class="plot" role="img" aria-label="([^"]*)"', text)
    assert len(alts) == text.count("<svg") == len(names)
    assert all(len(alt) > 40 for alt in alts)


def test_the_page_is_small(page: Path) -> None:
    assert page.stat().st_size < 1_000_000


def test_every_word_that_is_marked_is_explained(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    marked = set(re.findall(r'data-term="([^"]*)"', text))
    assert {"τ", "margin", "strategy", "multiple"} <= marked
    assert marked <= set(re.findall(r'id="meaning-([^"]*)"', text))


def test_notes_stand_below_the_table_whose_columns_bear_their_letters(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    references = re.findall(r'class="mark" href="#([^"]*)" aria-label="Footnote ([a-z])"', text)
    assert references
    for anchor, letter in references:
        note = re.search(rf'<li id="{anchor}"><span class="letter">(.)</span>', text)
        assert note is not None
        assert note[1] == letter


def test_it_opens_with_one_sentence_and_one_picture(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    (first, *_) = analysis.verdicts(analysis.compare(analysis.load(page.parent)))

    # The sentence, the picture, the summary; only then the other figures, and tables of all numbers.
    places = [
        text.index("<h1"),
        text.index('<figure class="lead" id="figure-cost-and-gain"'),
        text.index('<section id="summary"'),
        text.index('<section id="settings"'),
        text.index('id="figure-tau-response"'),
    ]
    assert places == sorted(places)
    sentence = text[places[0] : places[1]]
    assert first.decision == "cannot tell"
    assert "cost 4 times the energy of fixed τ=4; 3 seeds cannot tell whether it gained" in sentence
    assert text[places[1] :].index("<table") > text[places[1] :].index("<svg")


def test_the_picture_shows_accuracy_and_cross_entropy_with_their_bands(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for seed in range(3):
        trials = [
            Trial(tau=tau, test_score=0.9 + random.normal(0, 0.003), test_loss=0.4 + random.normal(0, 0.01))
            for tau in (2.0, 4.0, 8.0, 12.0)
        ]
        write_campaign(tmp_path, Plan(strategy="grid", kind=StrategyKind.GRID, seed=seed, trials=trials))
    sweep = analysis.load(tmp_path)
    picture = next(figures(sweep, analysis.compare(sweep)))
    assert picture.name == "tau-response"
    labels = [axes.get_ylabel().replace("\n", " ") for axes in picture.figure.axes]
    assert labels == ["test accuracy: gain, points", "cross-entropy: gain, nats"]
    for axes in picture.figure.axes:
        assert len(axes.collections) == 1  # the band
        assert sum(len(line.get_xdata()) == 12 for line in axes.lines) == 1  # every training
    assert "test accuracy: no τ in 2…12 gains more than" in picture.alt
    assert "; cross-entropy: no τ in 2…12 gains more than" in picture.alt


def test_figures_are_the_same_file_twice(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=(0,), taus=(2, 4))
    sweep = analysis.load(tmp_path)
    comparison = analysis.compare(sweep)
    first = next(figures(sweep, comparison))
    again = next(figures(sweep, comparison))
    one, two = (write_picture(picture, tmp_path / str(n))[1] for n, picture in enumerate((first, again)))
    assert one.read_bytes() == two.read_bytes()


def test_of_many_campaigns_those_behind_figures_are_listed_and_all_in_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = [standard_plans(seeds=(0, 1), setting_id=name, objective=name) for name in ("a", "b")]
    write_sweep(tmp_path, [plan for of_setting in plans for plan in of_setting])
    monkeypatch.setattr("analysis.views.report._MOST_CAMPAIGNS", 3)
    monkeypatch.setattr("analysis.views.report.MOST_DRAWN_BYTES", 1)
    sweep = analysis.load(tmp_path)
    text = analysis.write_report(sweep, analysis.compare(sweep), tmp_path).read_text(encoding="utf-8")

    # One setting is drawn, of the other one the page says how.
    assert "The setting that says most has figures on this page." in text
    campaigns, runs = (list(csv.DictReader((tmp_path / name).open())) for name in ("campaigns.csv", "runs.csv"))
    assert len(campaigns) == len(sweep.campaigns)
    assert {row["setting"] for row in runs} == {"a", "b"}

    listed = set(re.findall(r'<a href="#campaign-(\d+)">', text))
    assert listed == {row["no."] for row in campaigns if Path(row["folder"]) in drawn_folders(sweep, text)}
    assert f"left out here: {len(campaigns) - len(listed)} campaigns" in text


def drawn_folders(sweep: analysis.Sweep, text: str) -> set[Path]:
    """The folders of the setting whose figures are in a page."""
    drawn = set(re.findall(r'id="figure-(\d)-pareto"', text))
    setting = {"1": "a", "2": "b"}[drawn.pop()]
    return {sweep.folders[number] for number, record in sweep.records.items() if record.setting_id == setting}


def test_text_of_records_is_shown_not_run(tmp_path: Path) -> None:
    nasty = "</script><script>window.hacked=1</script><img src=x onerror=alert(1)>"
    plans = [
        Plan(
            strategy=strategy,
            kind=kind,
            seed=seed,
            trials=[Trial(tau=tau), Trial(tau=9.0)],
            meter=nasty,
            student="<b>s",
        )
        for seed in (0, 1)
        for strategy, kind, tau in (("grid", StrategyKind.GRID, 4.0), ("optuna<script>", StrategyKind.SEARCH, 3.0))
    ]
    write_sweep(tmp_path, plans)
    sweep = analysis.load(tmp_path)
    text = analysis.write_report(sweep, analysis.compare(sweep), tmp_path).read_text(encoding="utf-8")
    assert nasty not in text
    assert "optuna<script>" not in text
    assert "<b>s" not in text


def test_the_trace_finds_records_that_are_gone(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=(0, 1), taus=(2, 4))
    sweep = analysis.load(tmp_path)
    comparison = analysis.compare(sweep)
    tables = analysis.comparison_tables(sweep, comparison)
    found = analysis.verdicts(comparison)
    assert check_sources(sweep, tables, found, []).lost == ()

    # A verdict on which no campaign is: it claims something, or there was no seed to judge by
    nothing = dataclasses.replace(found[0], campaigns=())
    assert check_sources(sweep, tables, [nothing], []).lost
    undecided = dataclasses.replace(nothing, gain=dataclasses.replace(nothing.gain, seeds=0))
    assert check_sources(sweep, tables, [undecided], []).lost == ()

    next(tmp_path.rglob("stochastic/*/campaign.json")).unlink()
    assert any("stochastic" in text for text in check_sources(sweep, tables, found, []).lost)


def test_a_sweep_that_has_only_begun_has_a_report_too(tmp_path: Path) -> None:
    write_sweep(
        tmp_path,
        [Plan(strategy="grid", kind=StrategyKind.GRID, seed=0, trials=[], status=CampaignStatus.RUNNING, planned=19)],
    )
    sweep = analysis.load(tmp_path)
    text = analysis.write_report(sweep, analysis.compare(sweep), tmp_path).read_text(encoding="utf-8")
    assert "nothing to hold against each other yet" in text
    assert "<figure" not in text
    assert "0 of 19 trials complete" in text


def test_energy_that_was_not_measured_leaves_a_report(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=(0, 1), taus=(2, 4), watts=None)
    sweep = analysis.load(tmp_path)
    analysis.write_report(sweep, analysis.compare(sweep), tmp_path)
    assert (tmp_path / "figures" / "cost-to-reach.svg").exists()  # against CPU time
    assert not (tmp_path / "figures" / "accuracy-vs-co2.svg").exists()


def test_without_a_sensor_curves_and_tables_count_in_cpu_seconds(tmp_path: Path) -> None:
    # Made of the same trainings twice: no sensor, and a sensor.
    spoken = {}
    for name, source in (("model", Source.MODELLED), ("sensor", Source.MEASURED)):
        root = tmp_path / name
        write_sweep(root, seeds=(0, 1), taus=(2, 4), source=source, ram_watts=50.0)
        sweep = analysis.load(root)
        comparison = analysis.compare(sweep)
        reach = analysis.cost_to_reach(sweep, comparison.runs)
        texts = [text for picture in figures(sweep, comparison) for text in (picture.title, picture.caption)]
        texts += [axes.get_xlabel() for picture in figures(sweep, comparison) for axes in picture.figure.axes]
        texts += [text for table in reach_tables(reach, comparison.runs) for text in table.header]
        texts += [*paper_table(comparison).notes, *verdict_table(analysis.verdicts(comparison)).header]
        texts += [f"basis {basis}" for basis in set(analysis.equal_energy(sweep, comparison.runs)["basis"])]
        spoken[name] = texts

    energy_first = {
        "Pareto front of accuracy against energy (digits, wide → narrow, kd)",
        "×energy",
        "basis energy_kwh",
    }
    cpu_first = {"Pareto front of accuracy against CPU time (digits, wide → narrow, kd)", "×CPU s", "basis cpu_s"}
    assert energy_first <= set(spoken["sensor"])
    assert cpu_first <= set(spoken["model"])
    assert not energy_first & set(spoken["model"])
    assert not cpu_first & set(spoken["sensor"])

    # 50 W of 150 W are constant: the third that goes by the clock is said.
    said = " ".join(spoken["model"])
    assert "No sensor was read: these grams are a model's, 33 % of them a constant wattage" in said
    assert "so they are a model's, 33 % of it a constant wattage" in said
    assert "a model's" not in " ".join(spoken["sensor"])
    assert any(text.startswith("CPU time spent, ") for text in spoken["model"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium of the system."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium, or name one in CHROMIUM")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e .[dev]")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_the_page_works_in_a_browser(page: Path, browser: Any, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
    tab.goto(page.resolve().as_uri())
    tab.wait_for_selector("html[data-ready=yes]", timeout=60_000)

    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    boxes = tab.evaluate("[...document.querySelectorAll('.plot svg')].map(s => [s.clientWidth, s.clientHeight])")
    assert len(boxes) == 9
    assert all(drawn_width > 300 and height > 100 for drawn_width, height in boxes)

    # Every mark that has something to say says it: the trainings of the response, 3 seeds of a grid and a search.
    marks = "document.querySelectorAll('#figure-tau-response use[data-tip]').length"
    assert tab.evaluate(marks) == 3 * (4 + 6)
    panels = [f"#accuracy-vs-tau-listed-{name} use[data-tip*='trial 0:']" for name in ("val_score", "test_score")]
    assert [tab.locator(marks).count() for marks in panels] == [3, 3]
    tab.locator("#figure-tau-response .plot").focus()
    tab.keyboard.press("ArrowRight")
    assert tab.locator("#tip").inner_text().startswith("τ=")
    assert tab.locator("#live").inner_text() == tab.locator("#tip").inner_text()

    # Words are explained without a mouse.
    tab.locator("#summary th .sort[data-term=gain]" if width > 600 else "#answer .term[data-term=margin]").focus()
    assert "points" in tab.locator("#tip").inner_text()

    column = "Wh"
    cells = f"""() => {{
        const place = (t) => [...t.tHead.rows[0].cells].findIndex(c => c.innerText.startsWith('{column}'));
        const table = [...document.querySelectorAll('#setting-1 > .table table')].find(t => place(t) >= 0);
        const at = place(table);
        return [...table.tBodies[0].rows].map(r => parseFloat(r.cells[at].textContent));
    }}"""
    header = tab.locator("#setting-1 > .table thead th", has_text=re.compile(rf"^{column}a?$"))
    header.locator(".sort").click()
    tab.wait_for_selector("#setting-1 > .table thead th[aria-sort=ascending]")
    rising = tab.evaluate(cells)
    header.locator(".sort").click()
    tab.wait_for_selector("#setting-1 > .table thead th[aria-sort=descending]")
    falling = tab.evaluate(cells)
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    assert rising != falling

    tab.locator("#paper summary").click()
    tab.locator("#paper input[type=search]").fill("CIFAR-100")
    tab.wait_for_function("[...document.querySelectorAll('#paper tbody tr')].filter(r => !r.hidden).length === 6")

    tab.locator("#setting-1 td.records a").first.click()
    assert tab.evaluate("document.querySelector(':target')?.tagName") == "TR"
    assert tab.locator("tr:target").is_visible()  # what it is folded in has opened

    with tab.expect_download() as saved:
        tab.get_by_role("button", name=re.compile("^Save as CSV: What each strategy cost")).click()
    rows = list(csv.DictReader(io.StringIO(Path(saved.value.path()).read_text(encoding="utf-8-sig"))))
    assert [row["strategy"] for row in rows] == ["fixed τ=4", "grid", "optuna", "stochastic"]
    assert float(rows[1]["gain, points"]) == pytest.approx(0, abs=3)

    paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    unnamed = tab.evaluate(
        "[...document.querySelectorAll('img, .plot, .scroll')]"
        ".filter(e => !(e.alt || e.ariaLabel || e.getAttribute('aria-labelledby'))).length"
    )
    assert unnamed == 0
    assert tab.evaluate(CONTRAST) == []
    assert not complaints
    context.close()
