"""The Pareto front: what each strategy got and paid, and which of them nothing beats in both."""

import math

from matplotlib.figure import Figure

from analysis import units
from analysis.frames import columns
from analysis.results.spending import has_sensor
from analysis.results.verdict_words import plain
from analysis.views.figures.setting import HEIGHT, WIDTH, Drawing, Setting, log_if_wide, panels_of


def pareto(setting: Setting) -> Drawing | None:
    """Draws the test score against what choosing τ took, with the strategies nothing beats in both."""
    with_sensor = has_sensor(setting.runs["meter"])
    spent_in = "tuning_energy_kwh" if with_sensor else "tuning_cpu_s"
    rows = [row for row in setting.rows if row[spent_in] > 0 and not math.isnan(row["test_score_mean"])]
    if not rows:
        return None

    words, basis = setting.words, spent_in.removeprefix("tuning_")
    spending = columns.SPENDING[basis]
    factor, unit = units.scale(basis, [row[spent_in] for row in rows])
    points = [(row[spent_in] * factor, words.scale * row["test_score_mean"], row) for row in rows]
    points.sort(key=lambda point: (point[0], -point[1]))

    # The strategies, the cheapest first; those that beat all cheaper ones are on the front.
    figure = Figure(figsize=(WIDTH, HEIGHT))
    (axes,) = panels_of(figure)
    front: list[tuple[float, float]] = []
    names: list[str] = []
    said: list[str] = []
    for spent, score, row in points:
        look = setting.looks[row["strategy"]]
        sd = row["test_score_sd"]
        axes.errorbar(
            [spent],
            [score],
            yerr=None if math.isnan(sd) else [words.scale * sd],
            color=look.color,
            marker=look.marker,
            markersize=9,
            capsize=4,
            linestyle="none",
            label=plain(row["strategy"]),
        )[0].set_gid(f"point-{len(said)}")
        spread = "" if math.isnan(sd) else f" ± {words.text(sd)}"
        said.append(
            f"{plain(row['strategy'])}: {units.figure(spent)} {unit}, test {score:.2f}{spread} {words.unit}, "
            f"{row['seeds']} seed(s)"
        )
        if not front or score > front[-1][1]:
            front.append((spent, score))
            names.append(plain(row["strategy"]))
    axes.step(*zip(*front, strict=True), where="post", color="#999999", linewidth=1, zorder=0, label="Pareto front")

    log_if_wide(axes, [spent for spent, _, _ in points])
    axes.margins(x=0.15)
    axes.set_xlabel(f"{spending} of choosing τ, {unit}")
    axes.set_ylabel(f"test {words.axis}")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)

    return Drawing(
        title=f"Pareto front of {words.name} against {spending}",
        caption="Mean over seeds, bars: ± 1 sd. Strategies below the grey line are beaten in both by another one.",
        alt=f"On the front: {', '.join(names)}.",
        figure=figure,
        points={f"point-{number}": (text,) for number, text in enumerate(said)},
    )
