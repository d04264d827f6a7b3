"""Whether every row and figure of a report leads to records that exist."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from analysis.frames.load import Sweep
from analysis.results.response import SettingResponse
from analysis.results.verdict import Verdict
from analysis.views.figures import Picture
from analysis.views.table import Table


@dataclasses.dataclass(frozen=True)
class SourceCheck:
    """Whether every table row and figure of a report leads to records that exist.

    Attributes:
        rows: Rows of the comparison and of the verdicts that were followed.
        figures: Figures that were followed.
        folders: Campaign folders that they lead to.
        lost: A sentence for each that leads nowhere.
    """

    rows: int
    figures: int
    folders: int
    lost: tuple[str, ...]


def check_sources(
    sweep: Sweep,
    tables: Sequence[Table],
    judged: Sequence[Verdict],
    pictures: Sequence[Picture],
    bounds: Sequence[SettingResponse] = (),
) -> SourceCheck:
    """Follows every row of the comparison, every verdict, bound and figure to its campaigns' records."""
    folder_of = {number: str(path) for number, path in sweep.folders.items()}
    has_records = {path: (Path(path) / "campaign.json").exists() for path in folder_of.values()}

    # What is claimed, and the folders it rests on.
    claims: list[tuple[str, tuple[str, ...]]] = [
        (f"{table.title}: {row[0]}", anchors)
        for table in tables
        for row, anchors in zip(table.rows, table.anchors, strict=True)
    ]
    claims += [
        (verdict.sentence, tuple(folder_of[number] for number in verdict.campaigns))
        for verdict in judged
        if verdict.seeds  # without a result of both there is nothing that it claims
    ]
    claims += [(bound.score.name, tuple(folder_of[number] for number in bound.campaigns)) for bound in bounds]
    claims += [(picture.title, tuple(folder_of[number] for number in picture.campaigns)) for picture in pictures]

    lost = []
    for claim, paths in claims:
        lost += [f"{claim}: no records in {path}" for path in paths if not has_records[path]]
        if not paths:
            lost.append(f"{claim}: no campaign behind it")

    rows = sum(len(table.rows) for table in tables) + len(judged)
    folders = {path for _, paths in claims for path in paths}
    return SourceCheck(rows, len(pictures), len(folders), tuple(lost))
