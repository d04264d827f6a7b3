"""Of many settings those that say most have figures; all have their tables."""

from pathlib import Path

import analysis
from analysis.results.inference import inference
from analysis.results.standings import standings
from analysis.views.comparison_table import comparison_tables
from analysis.views.setting_sections import MOST_DRAWN, drawn_settings, setting_sections
from analysis.views.summary_table import summary_table
from tests.analysis.plans import Plan, Trial, grid, standard_plans, stochastic
from tests.analysis.sweeps import write_sweep


def test_many_settings(tmp_path: Path) -> None:
    plans: list[Plan] = []
    for number in range(MOST_DRAWN + 2):
        name = {"setting_id": f"{number}", "objective": f"loss{number}"}
        plans += [grid(0, Trial(tau=2), Trial(tau=4, test_score=0.8), **name), stochastic(0, **name)]
    precise = {"taus": (2.0, 4.0, 8.0), "seeds": (0, 1, 2, 3, 4), "noise": 0.0005}
    plans += standard_plans(grid=lambda tau: 0.95 if tau == 8 else 0.9, setting_id="z", objective="winner", **precise)
    write_sweep(tmp_path, plans)

    sweep = analysis.load(tmp_path)
    comparison = analysis.compare(sweep)
    judged = analysis.verdicts(comparison)
    found = standings(comparison, judged)
    sections = setting_sections(
        sweep,
        comparison,
        standings=found,
        judged=judged,
        bounds=analysis.responses(comparison),
        tables=comparison_tables(sweep, comparison),
        networks=inference(sweep),
        drawn=dict.fromkeys(drawn_settings(found), ()),
        margin=0.5,
    )

    assert len(sections) == MOST_DRAWN + 3
    assert sections[0].name.endswith("· winner")
    assert sections[0].decision == "worth it"
    assert len(drawn_settings(found)) == MOST_DRAWN
    assert [bool(section.draw_command) for section in sections] == [False] * MOST_DRAWN + [True] * 3
    assert all(section.values for section in sections[:MOST_DRAWN])

    # A table belongs to its setting, and the command leads to a folder that holds it and no other.
    for section in sections:
        assert section.name.rpartition(" · ")[2] in section.comparison.title
    folder = Path(sections[-1].draw_command.split()[3])
    assert set(analysis.load(folder).campaigns["objective"]) == {sections[-1].name.rpartition(" · ")[2]}

    summary = summary_table(found)
    assert summary.header[:2] == ("setting", "strategy")
    assert len(summary.rows) == len(comparison.table)
    assert sum(row[summary.header.index("verdict")] == "reference" for row in summary.rows) == len(sections)
