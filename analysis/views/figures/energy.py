"""Where the energy went: by phase, and for using the networks."""

import math
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis import units
from analysis.frames import columns
from analysis.frames.groupby import groups, rows_of
from analysis.results.inference import IMAGES
from analysis.results.spending import has_sensor, spending_basis
from analysis.results.verdict_words import plain
from analysis.views.figures.setting import WIDTH, Drawing, Setting, panels_of
from analysis.views.style import TEACHER, Look
from greenkd.records import Phase

# Name, colour and hatch of each phase, in the order in which bars are stacked.
_PHASES = {
    Phase.STUDENT_TRAINING: ("student training", "#0072B2", ""),
    Phase.VALIDATION: ("validation", "#56B4E9", "//"),
    Phase.SYNTHESIS: ("images", "#8B5E3C", "**"),
    Phase.TEACHER_LOGITS: ("teacher's logits", "#E69F00", "xx"),
    Phase.OVERHEAD: ("overhead", "#999999", ".."),
    Phase.TEST: ("test", "#D55E00", "\\\\"),
    Phase.INFERENCE: ("inference", "#CC79A7", "++"),
    Phase.IDLE: ("idle", "#CCCCCC", "--"),
    Phase.CALIBRATION: ("calibration", "#009E73", "oo"),
    Phase.START_UP: ("start-up", "#F0E442", "\\\\"),
}
_NO_LOOK = Look("#7F7F7F", "o", "-", "")
_MOST_BARS = 6
_COSTS = ("duration_s", "cpu_s", "co2eq_g")


def energy_by_phase(setting: Setting) -> Drawing | None:
    """Draws energy per seed, stacked by what it was for; CPU seconds where no sensor was read."""
    basis = spending_basis(setting.runs["meter"], setting.ledger, of_all=False)
    if basis is None or (setting.runs["origin"] == "from grid").all():
        return None

    spent = _spent_by_phase(setting, basis)
    factor, unit = units.scale(basis, [sum(parts.values()) for parts in spent.values()])
    figure = Figure(figsize=(WIDTH, 1.5 + 0.36 * len(spent)))
    (axes,) = panels_of(figure)

    # One part after the other; `ends` is where the bars have got to.
    ends = dict.fromkeys(spent, 0.0)
    for phase, (name, color, hatch) in _PHASES.items():
        widths = [parts.get(phase.value, 0.0) * factor for parts in spent.values()]
        if any(widths):
            style: dict[str, Any] = {"color": color, "hatch": hatch, "edgecolor": "white"}
            axes.barh(list(spent), widths, left=list(ends.values()), label=name, **style)
            ends = {label: ends[label] + width for label, width in zip(spent, widths, strict=True)}

    for number, total in enumerate(ends.values()):
        axes.annotate(units.figure(total), (total, number), (4, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_xlim(0, 1.12 * max(ends.values()))
    axes.set_ylim(len(spent) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"{columns.SPENDING[basis]} per seed, {unit}")
    figure.legend(loc="outside lower center", ncols=4)

    said = [f"{label}: {units.figure(total)} {unit}" for label, total in ends.items()]
    return Drawing(
        title=f"{columns.SPENDING[basis][:1].upper()}{columns.SPENDING[basis][1:]} by phase",
        caption=(
            "Mean per seed, every attempt included, as it was spent. Start-up, test and inference are no part of "
            "choosing τ; what campaigns share (the teacher's training, its stored outputs) is in no bar. So the totals "
            "beside the bars are not the costs of the tables, which charge each strategy for the teacher's outputs."
        ),
        alt="; ".join(said) + ".",
        figure=figure,
    )


def _spent_by_phase(setting: Setting, basis: str) -> dict[str, dict[str, float]]:
    """Returns by strategy and phase what was spent per seed; trials of a grid are counted with their grid."""
    runs = setting.runs[setting.runs["origin"] != "from grid"]

    spent = {}
    for (label,), group in groups(runs, ["strategy"], sort=False):
        campaigns = [number for numbers in group["campaigns"] for number in numbers]
        ledger = setting.ledger[setting.ledger["campaign"].isin(campaigns)]
        per_seed = ledger.groupby("phase")[basis].sum() / len(group)
        spent[plain(label)] = {str(phase): float(value) for phase, value in per_seed.items()}
        # The pool's synthesis is in its own ledger; what a trial makes is in the campaign's.
        within = spent[plain(label)].get(Phase.SYNTHESIS.value, 0.0)
        spent[plain(label)][Phase.SYNTHESIS.value] = within + float(group[f"synthesis_{basis}"].mean())
    return spent


def inference_bars(setting: Setting) -> Drawing | None:
    """Draws the paper's figure 1 (b) and (c): seconds and grams of using the networks."""
    networks = setting.inference[setting.inference["duration_s"].notna()]
    if networks.empty:
        return None

    rows = _few(rows_of(networks))
    labels = [f"{row['network']}\n{row['role'] if row['role'] == 'teacher' else row['strategy']}" for row in rows]
    bar_looks = [_look_of(row, setting) for row in rows]

    with_sensor = has_sensor(setting.runs["meter"])
    quantities = [("duration_s", 1.0, "s")]
    if not with_sensor and networks["cpu_s"].notna().all():
        quantities.append(("cpu_s", 1.0, "CPU s"))
    elif networks["co2eq_g"].notna().all() and (networks["co2eq_g"] > 0).any():
        quantities.append(("co2eq_g", *units.scale("co2eq_g", networks["co2eq_g"])))

    figure = Figure(figsize=(WIDTH, (0.7 + 0.45 * len(rows)) * len(quantities)))
    panels = panels_of(figure, len(quantities))
    for axes, (name, factor, unit) in zip(panels, quantities, strict=True):
        values = [row[name] * factor for row in rows]
        colors, hatches = [look.color for look in bar_looks], [look.hatch for look in bar_looks]
        bars = axes.barh(labels, values, color=colors, edgecolor="white", hatch=hatches)
        axes.bar_label(bars, [_with_range(row, name, factor) for row in rows], padding=3, fontsize=9)
        axes.set_xlim(0, 1.4 * max(values))
        axes.set_xlabel(f"{unit} per {IMAGES} images")
        axes.locator_params(axis="x", nbins=4)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)

    said = [
        f"{label.replace(chr(10), ' ')}: {units.figure(row['duration_s'])} s"
        for label, row in zip(labels, rows, strict=True)
    ]
    return Drawing(
        title="Inference: time and CO₂" if with_sensor else "Inference: time and CPU time",
        caption="After figures 1 (b) and (c) of the paper: forward passes on test images, mean over campaigns"
        + (" (in brackets: the lowest and the highest of the strategies)." if len(rows) < len(networks) else "."),
        alt=f"Per {IMAGES} images: " + "; ".join(said) + ".",
        figure=figure,
    )


def _few(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the rows, or where they are many, one per network: strategies do not change what using it costs."""
    if len(rows) <= _MOST_BARS:
        return rows

    merged = []
    for (role, network), group in groups(pd.DataFrame(rows), ["role", "network"], sort=False):
        costs = group[list(_COSTS)]
        label = f"{len(group)} strategies" if len(group) > 1 else group["strategy"].iloc[0]
        merged.append(
            {"role": role, "network": network, "strategy": label}
            | costs.mean().to_dict()
            | {f"{name}_range": (costs[name].min(), costs[name].max()) for name in _COSTS if len(group) > 1}
        )
    return merged


def _with_range(row: dict[str, Any], name: str, factor: float) -> str:
    """Returns a figure, with the smallest and the largest one where it is a mean of several."""
    low, high = row.get(f"{name}_range", (math.nan, math.nan))
    ends = "" if math.isnan(low) else f" ({units.figure(low * factor)} to {units.figure(high * factor)})"
    return f"{units.figure(row[name] * factor)}{ends}"


def _look_of(row: dict[str, Any], setting: Setting) -> Look:
    """Returns the look of a network's strategy; variants of one strategy share the first one's."""
    if row["role"] == "teacher":
        return TEACHER

    for label, look in setting.looks.items():
        if label == row["strategy"] or label.startswith(f"{row['strategy']} "):
            return look
    return _NO_LOOK
