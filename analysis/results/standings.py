"""What each strategy of a setting cost and bought beside one reference: what a reader asks first.

The reference is the fixed τ where a setting has one, else the baseline: what is done by whoever chooses no τ. A
setting's main standing is that of the strategy that its primary verdict judges, so that it does not depend on what was
found.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from analysis.frames import columns
from analysis.frames.groupby import groups, rows_of
from analysis.results.comparison import Comparison
from analysis.results.verdict import Verdict
from analysis.results.verdict_words import BETTER, CANNOT_TELL, EQUAL, NO_BETTER, NOT_WORTH, WORTH
from greenkd.records import StrategyKind

# The settings that say most come first where not all can be shown.
BY_INTEREST = (WORTH, BETTER, NOT_WORTH, NO_BETTER, CANNOT_TELL, EQUAL)


@dataclasses.dataclass(frozen=True)
class Standing:
    """One strategy in one setting.

    Attributes:
        row: Its row of the comparison table.
        reference: Label of the strategy that all of the setting are held against; empty where there is none.
        verdict: The verdict on it over the reference; None of the reference itself, and where there is none.
        is_main: Whether it speaks for its setting.
    """

    row: dict[str, Any]
    reference: str
    verdict: Verdict | None
    is_main: bool

    @property
    def setting(self) -> tuple[str, ...]:
        """Data set, teacher, student, objective and setting_id."""
        return tuple(self.row[name] for name in columns.SETTING)

    @property
    def strategy(self) -> str:
        """Label of the strategy."""
        return str(self.row["strategy"])

    @property
    def is_reference(self) -> bool:
        """Whether the others are held against it."""
        return self.strategy == self.reference


def standings(comparison: Comparison, judged: Sequence[Verdict]) -> list[Standing]:
    """Returns every row of the comparison with its verdict over the setting's reference, setting by setting.

    Args:
        comparison: What `compare` returned.
        judged: What `verdicts` made of it.
    """
    found = []
    for key, table in groups(comparison.table, columns.SETTING):
        rows = rows_of(table)
        of_setting = [verdict for verdict in judged if verdict.setting == key]
        reference = _reference(rows, of_setting)

        over = {verdict.strategy: verdict for verdict in of_setting if verdict.control == reference}
        main = next((verdict.strategy for verdict in of_setting if verdict.strategy in over), "")
        found += [Standing(row, reference, over.get(row["strategy"]), is_main=row["strategy"] == main) for row in rows]
    return found


def main_standings(found: Sequence[Standing]) -> list[Standing]:
    """Returns the standing that speaks for each setting that has one, those that say most first."""
    return sorted((standing for standing in found if standing.is_main), key=_interest)


def settings_by_interest(found: Sequence[Standing]) -> list[tuple[str, ...]]:
    """Returns the settings, those whose main standing says most first, those without one last."""
    main = [standing.setting for standing in main_standings(found)]
    return list(dict.fromkeys([*main, *(standing.setting for standing in found)]))


def _reference(rows: list[dict[str, Any]], judged: Sequence[Verdict]) -> str:
    """Returns the label that most of a setting can be held against: the fixed τ, else what the verdicts rest on."""
    kinds = {row["strategy"]: row["kind"] for row in rows}
    controls = list(dict.fromkeys(verdict.control for verdict in judged))
    fixed = [label for label in controls if kinds.get(label) == StrategyKind.FIXED]
    return next(iter([*fixed, *controls]), "")


def _interest(standing: Standing) -> tuple[int, float]:
    assert standing.verdict is not None
    return BY_INTEREST.index(standing.verdict.decision), -abs(float(standing.verdict.gain.value))
