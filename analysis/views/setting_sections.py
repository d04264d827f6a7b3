"""What the report shows of each setting, the settings that say most first."""

import dataclasses
import os.path
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from analysis.frames import columns
from analysis.frames.groupby import groups, of_setting
from analysis.frames.load import Sweep
from analysis.results.comparison import Comparison
from analysis.results.equal_energy import equal_energy
from analysis.results.response import SettingResponse
from analysis.results.standings import Standing, settings_by_interest
from analysis.results.verdict import Verdict
from analysis.results.verdict_words import place
from analysis.views.figures import PARTS, Picture
from analysis.views.inference_table import inference_tables
from analysis.views.reach_table import equal_energy_tables, reach_tables
from analysis.views.setting_names import setting_names
from analysis.views.table import Table
from analysis.views.verdict_summary import verdicts_in_full
from analysis.views.verdict_table import verdict_table

MOST_DRAWN = 4  # settings with figures: each takes seconds to draw and a tenth of the page
MOST_DRAWN_BYTES = 1_400_000  # of many campaigns, after which no further setting is drawn: a page has 3 MB at most


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrawnPicture:
    """A picture as it stands in the page.

    Attributes:
        picture: What it is and what is said about it.
        svg: The `<svg>` element.
        points: What is said of its marks, as JSON; may be empty.
    """

    picture: Picture
    svg: str
    points: str

    @property
    def size_bytes(self) -> int:
        """What it takes of the page."""
        return len(self.svg) + len(self.points)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SettingSection:
    """One setting in the report.

    Attributes:
        anchor: Its place in the page.
        name: What it is called.
        decision: The verdict that speaks for it; empty where there is none.
        first_line: What any τ can gain; empty where fewer than two were trained.
        verdicts: Word and sentence of its verdicts; of many, of the primary one.
        verdict_table: The numbers behind them; None where there is none.
        comparison: The table of its strategies.
        values: Tables behind the curves; none where it is not drawn.
        pictures: By part of the report, its figures.
        draw_command: What draws a setting that has no figures here; empty where it has.
    """

    anchor: str
    name: str
    decision: str
    first_line: str
    verdicts: tuple[tuple[str, str], ...]
    verdict_table: Table | None
    comparison: Table
    values: tuple[Table, ...]
    pictures: Mapping[str, Sequence[DrawnPicture]]
    draw_command: str


def drawn_settings(found: Sequence[Standing]) -> list[tuple[str, ...]]:
    """Returns the settings that have figures in the report, as far as these fit into it.

    Args:
        found: What `standings` returned.
    """
    return settings_by_interest(found)[:MOST_DRAWN]


def setting_sections(
    sweep: Sweep,
    comparison: Comparison,
    *,
    standings: Sequence[Standing],
    judged: Sequence[Verdict],
    bounds: Sequence[SettingResponse],
    tables: Sequence[Table],
    networks: pd.DataFrame,
    drawn: Mapping[tuple[str, ...], Sequence[DrawnPicture]],
    margin: float,
) -> list[SettingSection]:
    """Returns the sections of all settings, those that say most first.

    Args:
        sweep: The records.
        comparison: What `compare` made of them.
        standings: What `standings` made of the verdicts.
        judged: The verdicts.
        bounds: What `responses` returned.
        tables: The comparison's table of each setting, in the order of the settings.
        networks: What `inference` returned.
        drawn: The pictures of each setting that is drawn.
        margin: The margin that `judged` was made with, percentage points.
    """
    settings = groups(comparison.runs, columns.SETTING)
    names = setting_names(key for key, _ in settings)
    runs_of, table_of = dict(settings), {key: table for (key, _), table in zip(settings, tables, strict=True)}
    bound_of = {bound.setting: bound for bound in bounds}
    decisions = {one.setting: one.verdict.decision for one in standings if one.is_main and one.verdict is not None}

    sections = []
    for number, key in enumerate(settings_by_interest(standings), start=1):
        verdicts = tuple(verdict for verdict in judged if verdict.setting == key)
        is_drawn, pictures = key in drawn, drawn.get(key, ())
        sections.append(
            SettingSection(
                anchor=f"setting-{number}",
                name=names[key],
                decision=decisions.get(key, ""),
                first_line=within_setting(bound_of[key].sentence(margin), key) if key in bound_of else "",
                verdicts=tuple((one.decision, within_setting(one.sentence, key)) for one in verdicts_in_full(verdicts)),
                verdict_table=verdict_table(verdicts) if verdicts else None,
                comparison=table_of[key],
                values=_values(sweep, runs_of[key], comparison.reach_of(key), of_setting(networks, key))
                if is_drawn
                else (),
                pictures={part: [one for one in pictures if one.picture.part == part] for part in PARTS},
                draw_command="" if is_drawn else _draw_command(sweep, runs_of[key]),
            )
        )
    return sections


def within_setting(sentence: str, key: tuple[str, ...]) -> str:
    """Returns a sentence without the setting's name before it, for a place that names it already."""
    text = sentence.removeprefix(place(key)).removeprefix(": ").removeprefix(" ")
    return text[:1].upper() + text[1:]


def _values(sweep: Sweep, runs: pd.DataFrame, reach: pd.DataFrame, networks: pd.DataFrame) -> tuple[Table, ...]:
    """Returns the tables behind the curves of a setting."""
    return (
        *reach_tables(reach, runs),
        *equal_energy_tables(equal_energy(sweep, runs, reach)),
        *inference_tables(sweep, networks),
    )


def _draw_command(sweep: Sweep, runs: pd.DataFrame) -> str:
    """Returns the command that writes a report of the folder that a setting's campaigns share."""
    folders = [str(sweep.folders[number]) for numbers in runs["campaigns"] for number in numbers]
    return f"python -m analysis {Path(os.path.commonpath(folders))} --report --out report-of-setting"
