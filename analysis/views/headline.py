"""The sentence that the report opens with: what choosing τ cost, and what it bought."""

import math
from collections import Counter
from collections.abc import Sequence

from analysis import units
from analysis.results.spending import in_words
from analysis.results.standings import Standing, main_standings
from analysis.results.verdict import Verdict
from analysis.results.verdict_words import BETTER, EQUAL, NO_BETTER, NOT_WORTH, WORTH, plain, signed
from analysis.views.metric_words import metric_words

NOTHING_YET = (
    "There is nothing to hold against each other yet: a verdict needs a strategy that searches τ (such as "
    "temperature=grid) beside a fixed or a stochastic τ, trained in one setting."
)


def headline(found: Sequence[Standing]) -> str:
    """Returns the answer in one sentence, or what is missing for one.

    Args:
        found: What `standings` returned.
    """
    main = [standing.verdict for standing in main_standings(found) if standing.verdict is not None]
    if not main:
        return NOTHING_YET
    return answer_in_words(main[0]) if len(main) == 1 else _counts(main)


def answer_in_words(verdict: Verdict) -> str:
    """Returns what one strategy cost and bought over its reference, as a sentence."""
    choice = verdict.choice[:1].upper() + verdict.choice[1:]
    if verdict.seeds == 0:
        return f"{choice}: no seed has a test result of it and of {plain(verdict.control)} yet."

    return f"{choice} cost {_cost(verdict)}{_gain(verdict)}"


def _cost(verdict: Verdict) -> str:
    """Returns what it took, such as `2.8 times the energy of fixed τ=4`."""
    control = plain(verdict.control)
    multiple = verdict.costs.multiples[verdict.costs.basis]
    if not math.isnan(multiple):
        quantity = in_words(verdict.costs.basis)
        return f"{units.figure(multiple, 2).removesuffix('.0')} times the {quantity} of {control}"

    trainings = verdict.costs.extra_trainings
    if math.isnan(trainings) or trainings == 0:
        return f"as many trainings as {control}"
    more = "more" if trainings > 0 else "fewer"
    return f"{units.figure(abs(trainings))} {more} trainings per seed than {control}"


def _gain(verdict: Verdict) -> str:
    """Returns what it bought, as the end of the sentence."""
    if verdict.decision == EQUAL:
        return f" and changed nothing: every training has the score of {plain(verdict.control)}."
    if verdict.seeds == 1:
        return f"; one seed cannot tell what it gained ({signed(float(verdict.gain.value))} points)."

    name, asked = metric_words([verdict.metric]).name, f"{verdict.margin:g} points"
    ends = f"(between {signed(verdict.low)} and {signed(verdict.high)})"
    if verdict.decision in (WORTH, BETTER):
        return f" and gained more than {asked} of test {name} {ends}: {verdict.decision}."
    if verdict.decision in (NOT_WORTH, NO_BETTER):
        return f" and gained less than {asked} of test {name} {ends}: {verdict.decision}."
    return f"; {verdict.seeds} seeds cannot tell whether it gained {asked} of test {name} or more {ends}."


def _counts(main: Sequence[Verdict]) -> str:
    """Returns in how many settings each verdict was given."""
    counts = Counter(verdict.decision for verdict in main)
    worth = counts[WORTH] + counts[BETTER]
    not_worth = counts[NOT_WORTH] + counts[NO_BETTER]
    equal = counts[EQUAL]
    unclear = len(main) - worth - not_worth - equal

    if unclear == len(main):
        return f"The seeds at hand cannot tell in any of {len(main)} settings whether choosing τ was worth its cost."

    parts = [f"worth its cost in {worth or 'none'} of {len(main)} settings", f"not worth it in {not_worth or 'none'}"]
    if equal:
        parts.append(f"without any effect in {equal}")
    seeds = f"; in {unclear} the seeds at hand cannot tell" if unclear else ""
    return f"Choosing τ was {', '.join(parts[:-1])} and {parts[-1]}{seeds}."
