"""Many verdicts in few lines: the first of each setting as a sentence, the others as rows under a word said once."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

from analysis import units
from analysis.results.spending import in_words
from analysis.results.standings import BY_INTEREST, Standing
from analysis.results.verdict import Verdict
from analysis.results.verdict_words import CANNOT_TELL, EQUAL, interval, plain, signed
from analysis.views.setting_names import setting_names
from analysis.views.table import Column, Table, make_table
from analysis.views.verdict_table import more_seeds

MOST_SENTENCES = 3  # verdicts that are read in full; more of them are a wall
_OPEN = (CANNOT_TELL, EQUAL)


def verdicts_in_full(judged: Sequence[Verdict]) -> list[Verdict]:
    """Returns the verdicts that are printed as sentences: all of a few, else the primary ones, else none.

    Args:
        judged: What `verdicts` returned.
    """
    primary = [verdict for verdict in judged if verdict.primary]
    return next((some for some in (list(judged), primary) if len(some) <= MOST_SENTENCES), [])


def other_verdicts_tables(judged: Sequence[Verdict], found: Sequence[Standing]) -> list[Table]:
    """Returns a table for each setting, with a row for each verdict that has no sentence, those that decide first.

    Of those that decide nothing, the ones over the setting's reference have a row; the others are counted below.

    Args:
        judged: What `verdicts` returned.
        found: What `standings` made of them.

    Returns:
        The tables; none where every verdict has a sentence.
    """
    in_full = verdicts_in_full(judged)
    reference_of = {standing.setting: standing.reference for standing in found}
    names = setting_names(verdict.setting for verdict in judged)

    tables = []
    for setting, name in names.items():
        others = [one for one in judged if one.setting == setting and one not in in_full]
        if others:
            others.sort(key=lambda one: BY_INTEREST.index(one.decision))
            count = f"{len(others)} {'other ' if in_full else ''}{'verdict' if len(others) == 1 else 'verdicts'}"
            title = f"{f'{name}: ' if len(names) > 1 else ''}{count}: is the gain {others[0].margin:g} points or more?"
            tables.append(_table_of_setting(title, others, reference_of.get(setting)))

    if tables:
        tables[-1] = dataclasses.replace(tables[-1], notes=(*tables[-1].notes, _NUMBERS))
    return tables


def _table_of_setting(title: str, others: Sequence[Verdict], reference: str | None) -> Table:
    rows = [one for one in others if one.decision not in _OPEN or one.control == reference]
    columns = [
        Column("verdict", _said_once([one.decision for one in rows]), words=True),
        Column("strategy", [plain(one.strategy) for one in rows], words=True),
        Column("over", [plain(one.control) for one in rows], words=True),
        Column(_cost_header(rows), [units.multiple(one.costs.multiples[one.costs.basis]) for one in rows]),
        Column("gain,\npoints", [signed(float(one.gain.value)) for one in rows]),
        Column("interval", [interval(one.low, one.high) if one.seeds > 1 else units.MISSING for one in rows]),
        Column("more\nseeds", [more_seeds(one.seed_range) for one in rows], leaves=1),
    ]
    return make_table(title, columns, notes=_counted([one for one in others if one not in rows]))


_NUMBERS = "all verdicts with their p values, tests and costs: verdict.csv, and the page that --report writes"


def _said_once(cells: Sequence[str]) -> list[str]:
    """Returns cells of which those that repeat the one above are empty."""
    return ["" if number and cell == cells[number - 1] else cell for number, cell in enumerate(cells)]


def _cost_header(rows: Sequence[Verdict]) -> str:
    bases = {one.costs.basis for one in rows}
    name = in_words(next(iter(bases))) if len(bases) == 1 else "cost"
    return "\n".join(f"× {name}".rsplit(" ", 1))


def _counted(others: Sequence[Verdict]) -> list[str]:
    """Returns how many further verdicts say what, over which strategy."""
    counts = Counter((one.decision, plain(one.control)) for one in others)
    return [
        f"{decision}, too: "
        + " and ".join(f"{number} over {control}" for (word, control), number in counts.items() if word == decision)
        for decision in dict.fromkeys(word for word, _ in counts)
    ]
