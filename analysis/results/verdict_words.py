"""The words of a verdict: what it can say, and the sentence that says it."""

import math

from analysis import units
from analysis.results.paired_tests import MOST_SEEDS, Paired

WORTH, NOT_WORTH, CANNOT_TELL = "worth it", "not worth it", "cannot tell"
BETTER, NO_BETTER = "better", "no better"  # of two that cost one training each

# What was shown of the gain for a decision to be made.
_SHOWN = {WORTH: "exceed", NOT_WORTH: "stay below", BETTER: "gain more than", NO_BETTER: "gain less than"}
_MANY_SEEDS = 100


def signed(points: float) -> str:
    """Returns percentage points with their sign."""
    return units.MISSING if math.isnan(points) else f"{points:+.2f}".replace("-", "−")


def plain(label: str) -> str:
    """Returns a strategy's label without the remark on where its row comes from."""
    return label.removesuffix(" (from grid, no extra cost)")


def verdict_sentence(
    *,
    setting: tuple[str, ...],
    strategy: str,
    control: str,
    gains: Paired,
    margin: float,
    decision: str,
    cost_multiple: float,
    more_seeds: int | None,
) -> str:
    """Returns a verdict as one plain sentence; the arguments are the attributes of `analysis.Verdict`."""
    dataset, teacher, student, objective, _ = setting
    subject = f"{dataset}, {teacher} → {student}, {objective}: {plain(strategy)} over {plain(control)}"
    cost = "" if math.isnan(cost_multiple) else f" for {units.multiple(cost_multiple)} its energy"

    if gains.seeds == 0:
        return f"{subject}: cannot tell, no seed has a test result of both."
    if gains.seeds == 1:
        return (
            f"{subject}: cannot tell from one seed ({signed(gains.mean)} points{cost}); "
            "without a second one there is no interval, run 3 to 5."
        )

    points = f"{signed(gains.mean)} points (95 % interval {signed(gains.low)} to {signed(gains.high)}, "
    points += f"{gains.seeds} seeds{cost})"
    if decision in _SHOWN:
        return f"{subject} is {decision}: {points}, shown to {_SHOWN[decision]} the {margin:g} points asked for."
    return f"{subject}: cannot tell with these seeds: {points}; {_what_would_tell(more_seeds, margin)}."


def _what_would_tell(more_seeds: int | None, margin: float) -> str:
    if more_seeds is None:
        return f"the gain is too close to the margin of {margin:g} for {MOST_SEEDS:,} seeds to tell"
    if more_seeds > _MANY_SEEDS:
        return f"with a gain like this, more than {_MANY_SEEDS} more seeds would be needed (power 0.8)"
    return f"about {more_seeds} more would, if the gain is what it looks like (power 0.8)"
