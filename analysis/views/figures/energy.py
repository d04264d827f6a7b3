"""Where the energy went: by phase, and for using the networks."""

from typing import Any

from matplotlib.figure import Figure

from analysis import units
from analysis.frames.groupby import groups, rows_of
from analysis.results.inference import IMAGES
from analysis.results.verdict import plain
from analysis.views.figures.setting import WIDTH, Drawn, Setting, panels_of
from analysis.views.style import TEACHER, Look
from greenkd.records import Phase

_PHASES = {
    Phase.STUDENT_TRAINING: ("student training", "#0072B2", ""),
    Phase.VALIDATION: ("validation", "#56B4E9", "//"),
    Phase.TEACHER_LOGITS: ("teacher's logits", "#E69F00", "xx"),
    Phase.OVERHEAD: ("overhead", "#999999", ".."),
    Phase.TEST: ("test", "#D55E00", "\\\\"),
    Phase.INFERENCE: ("inference", "#CC79A7", "++"),
    Phase.IDLE: ("idle", "#CCCCCC", "--"),
    Phase.CALIBRATION: ("calibration", "#009E73", "oo"),
}


def energy_by_phase(setting: Setting) -> Drawn:
    """Energy per seed, stacked by what it was for; CPU seconds where no energy was measured."""
    runs = setting.runs[setting.runs["origin"] != "from grid"]
    basis = next((name for name in ("energy_kwh", "cpu_s") if setting.ledger[name].notna().any()), None)
    if basis is None or runs.empty:
        return None
    bars: dict[str, dict[str, float]] = {}
    for (label,), group in groups(runs, ["strategy"], sort=False):
        numbers = [number for run in group["campaigns"] for number in run]
        own = setting.ledger[setting.ledger["campaign"].isin(numbers)]
        bars[plain(label)] = {
            str(phase): float(value) for phase, value in (own.groupby("phase")[basis].sum() / len(group)).items()
        }
    factor, unit = units.scale(basis, [sum(parts.values()) for parts in bars.values()])
    figure = Figure(figsize=(WIDTH, 1.5 + 0.55 * len(bars)))
    (axes,) = panels_of(figure)
    start = dict.fromkeys(bars, 0.0)
    for phase, (name, color, hatch) in _PHASES.items():
        widths = [bars[label].get(phase.value, 0.0) * factor for label in bars]
        if any(widths):
            axes.barh(
                list(bars), widths, left=list(start.values()), color=color, hatch=hatch, edgecolor="white", label=name
            )
            start = {label: start[label] + width for label, width in zip(bars, widths, strict=True)}
    for number, total in enumerate(start.values()):
        axes.annotate(units.figure(total), (total, number), (4, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_xlim(0, 1.12 * max(start.values()))
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"{'energy' if basis == 'energy_kwh' else 'CPU time'} per seed, {unit}")
    figure.legend(loc="outside lower center", ncols=4)
    caption = (
        "Mean per seed, every attempt included; the teacher's training is not in it. Figures beside the bars: total."
    )
    said = [f"{label}: {units.figure(total)} {unit}" for label, total in start.items()]
    return "Energy by phase", caption, "; ".join(said) + ".", figure


def inference_bars(setting: Setting) -> Drawn:
    """The paper's figure 1 (b) and (c): seconds and grams of using the networks."""
    used = setting.inference[setting.inference["duration_s"].notna()]
    if used.empty:
        return None
    rows = rows_of(used)
    labels = [
        f"{row['network']}\nteacher" if row["role"] == "teacher" else f"{row['network']}\n{row['strategy']}"
        for row in rows
    ]
    found = [_look_of(row, setting) for row in rows]
    grams_known = used["co2eq_g"].notna().all() and (used["co2eq_g"] > 0).any()
    figure = Figure(figsize=(WIDTH, 0.8 + 0.55 * len(rows)))
    panels = panels_of(figure, 2 if grams_known else 1)
    drawn = [("duration_s", 1.0, "s")]
    if grams_known:
        drawn.append(("co2eq_g", *units.scale("co2eq_g", used["co2eq_g"])))
    for axes, (name, factor, unit) in zip(panels, drawn, strict=True):
        values = [row[name] * factor for row in rows]
        bars = axes.barh(
            labels,
            values,
            color=[look.color for look in found],
            edgecolor="white",
            hatch=[look.hatch for look in found],
        )
        axes.bar_label(bars, [units.figure(value) for value in values], padding=3, fontsize=9)
        axes.set_xlim(0, 1.25 * max(values))
        axes.set_xlabel(f"{unit} per {IMAGES} images")
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        if axes is not panels[0]:
            axes.set_yticklabels([])
    said = [
        f"{label.replace(chr(10), ' ')}: {units.figure(row['duration_s'])} s"
        for label, row in zip(labels, rows, strict=True)
    ]
    caption = "After figures 1 (b) and (c) of the paper: forward passes on test images, mean over campaigns."
    return "Inference: time and CO₂", caption, f"Per {IMAGES} images: " + "; ".join(said) + ".", figure


def _look_of(row: dict[str, Any], setting: Setting) -> Look:
    """The look of a network's strategy; variants of one strategy share the first one's."""
    if row["role"] == "teacher":
        return TEACHER
    for label, look in setting.looks.items():
        if label == row["strategy"] or label.startswith(f"{row['strategy']} "):
            return look
    return Look("#7F7F7F", "o", "-", "", "circle", "solid")
