"""What is shown of campaigns without real images: how τ is chosen, and the images."""

import base64
import dataclasses
from pathlib import Path
from typing import Any

from analysis.frames import columns
from analysis.frames.groupby import groups, rows_of
from analysis.frames.load import Sweep
from analysis.results.data_free import choices
from analysis.views.metric_words import metric_words
from analysis.views.setting_names import setting_title
from analysis.views.table import Column, Table, make_table
from greenkd.identity import sweep_folder


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A contact sheet.

    Attributes:
        title: Which images.
        caption: How to read it.
        content: The PNG in base64.
    """

    title: str
    caption: str
    content: str


def choice_tables(sweep: Sweep) -> list[Table]:
    """Returns one table per setting in which τ was chosen for students that saw no real images."""
    found = choices(sweep)
    if found.empty:
        return []
    return [_table(sweep, key, rows_of(rows)) for key, rows in groups(found, columns.SETTING)]


def sheets(sweep: Sweep) -> list[Sheet]:
    """Returns the contact sheets of the pools behind a sweep that lie in its folders, each once."""
    found: dict[str, Sheet] = {}
    for number, record in sweep.records.items():
        pool = record.pool
        if pool is None or pool.key in found:
            continue

        path = sweep_folder(sweep.folders[number]) / "pools" / f"{pool.key}.png"
        content = _read(path)
        if content is None:
            continue
        found[pool.key] = Sheet(
            title=f"{record.data_label}: images out of {record.teacher}",
            caption=(
                f"The first of each class by the teacher's label, a row for each; {pool.images} images to train on and "
                f"{pool.held_out} held out, in {pool.rounds} rounds. Pool {pool.key}."
            ),
            content=content,
        )
    return list(found.values())


def _read(path: Path) -> str | None:
    try:
        return base64.b64encode(path.read_bytes()).decode()
    except OSError:
        return None


def _table(sweep: Sweep, key: tuple[str, ...], rows: list[dict[str, Any]]) -> Table:
    words = metric_words([str(row["metric"]) for row in rows])
    shown = [
        Column("strategy", [str(row["strategy"]) for row in rows], words=True),
        Column("searches", [str(row["searches"]) for row in rows]),
        Column("same τ chosen", [f"{row['same']} of {row['searches']}" for row in rows]),
    ]
    for selection in ("validation", "agreement"):
        scores = [words.text(row[f"test_by_{selection}"]) for row in rows]
        shown.append(Column(f"test {words.header} by {selection}", scores))

    return make_table(
        f"Choosing τ with and without data: {setting_title(key)}",
        shown,
        notes=(
            "by validation: on the data set's own validation split, which is not data-free; by agreement: on held-out "
            "synthetic images, the share on which student and teacher agree",
            "both choose among the same trials; the other one's scores were measured after the choice was on record",
        ),
        anchors=[tuple(str(sweep.folders[number]) for number in row["campaigns"]) for row in rows],
    )
