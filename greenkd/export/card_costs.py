"""The part of a model card that says what the student cost, and how the figures were obtained."""

import math
from typing import Any

from analysis import units
from greenkd.export.facts import StudentCosts, StudentFacts

_FIGURES = ("energy_kwh", "co2eq_g", "cpu_s", "flops", "duration_s")
_HEADS = {"energy_kwh": "energy", "co2eq_g": "carbon", "cpu_s": "CPU", "flops": "arithmetic", "duration_s": "time"}


def emissions(costs: StudentCosts) -> dict[str, Any]:
    """Returns the hub's entry on emissions; nothing where grams are not known.

    Args:
        costs: The student's.
    """
    grams = costs.choosing.co2eq_g
    if grams is None:
        return {}
    return {
        "co2_eq_emissions": {
            "emissions": float(f"{grams:.6g}"),
            "source": f"{_obtained(costs)}; {_intensity(costs)}",
            "training_type": "knowledge distillation, all trainings among which τ was chosen; without the teacher's",
            "geographical_location": costs.intensity_region or "unknown",
            "hardware_used": costs.hardware,
        }
    }


def cost_section(facts: StudentFacts) -> str:
    """Returns the section of the card.

    Args:
        facts: The student's.
    """
    costs = facts.costs
    everything = "choosing τ, this training included" if len(facts.candidates) > 1 else "the same with all around it"
    parts = {"this student's training": costs.training, everything: costs.choosing}
    if costs.teacher is not None:
        parts["the teacher's training, once"] = costs.teacher

    # One unit for each column, as in the analysis
    columns = []
    for figure in _FIGURES:
        values = [_number(getattr(part, figure)) for part in parts.values()]
        factor, unit = units.scale(figure, values)
        columns.append((f"{_HEADS[figure]}, {unit}", [units.figure(value * factor) for value in values]))

    head = ["", *(title for title, _ in columns)]
    rows = [[name, *(cells[number] for _, cells in columns)] for number, name in enumerate(parts)]
    table = [head, ["---", *["---:"] * len(columns)], *rows]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in table)
    return f"## What it cost\n\n{lines}\n\n{_notes(costs)}"


def _notes(costs: StudentCosts) -> str:
    lines = [
        "The second line counts every attempt of every trial, validation, overhead, and the teacher's logits. The "
        "final test and the start of the process are in no line.",
        f"Energy: {_obtained(costs)}, at the device. Carbon: {_intensity(costs)}. Machine: {costs.hardware}. "
        f"FLOPs: forward and backward, one multiply-accumulate is two. {units.MISSING} means not known, never zero.",
    ]
    if costs.teacher is not None and costs.teacher_metered_by not in (None, *costs.meters):
        lines.append(f"The teacher was metered by another meter: {costs.teacher_metered_by}.")
    return "\n\n".join(lines)


def _obtained(costs: StudentCosts) -> str:
    """Says by which meter energies are, and what they are made of."""
    sources = " and ".join(costs.sources) or "absent"
    return f"{' and '.join(costs.meters) or 'no meter'}: {sources}"


def _intensity(costs: StudentCosts) -> str:
    if costs.intensity_g_per_kwh is None:
        return "intensity not known, or not the same throughout"
    year = "" if costs.intensity_year is None else f" {costs.intensity_year}"
    chosen = "; no country was chosen" if costs.intensity_is_default else ""
    pue = "" if costs.pue is None else f", PUE {costs.pue:g}"
    place = costs.intensity_region or "unnamed"
    return f"{costs.intensity_g_per_kwh:g} g/kWh for {place}{year} ({costs.intensity_source}{chosen}){pue}"


def _number(value: float | None) -> float:
    return math.nan if value is None else value
