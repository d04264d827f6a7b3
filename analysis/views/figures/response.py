"""How test score and cross-entropy respond to τ, with the band of the gain over τ = 4."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.frames.groupby import rows_of
from analysis.results.response import Endpoint
from analysis.results.tau_response import CONTROL_TAU
from analysis.views.figures.setting import PANEL_HEIGHT, WIDTH, Drawing, Setting, log_if_wide, panels_of

_TRAININGS = "trainings"
_LEGEND = 0.4  # inches, below the panels


def tau_response(setting: Setting) -> Drawing | None:
    """Draws the gain of every τ over τ = 4: the best shape, its band, and the trainings that it rests on."""
    if setting.response is None:
        return None
    endpoints = [setting.response.score, *([setting.response.loss] if setting.response.loss else [])]
    shown = [
        endpoint
        for endpoint in endpoints
        if endpoint.response is not None and not np.isnan(endpoint.response.curve).any()
    ]
    if not shown:
        return None

    figure = Figure(figsize=(WIDTH, PANEL_HEIGHT * len(shown) + _LEGEND))
    panels = panels_of(figure, len(shown))
    for number, (axes, endpoint) in enumerate(zip(panels, shown, strict=True)):
        _draw(axes, endpoint, f"{_TRAININGS}-{number}")
    for axes in panels[:-1]:
        axes.set_xlabel("")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)

    said = "; ".join(f"{endpoint.name}: {endpoint.sentence(0.0)}" for endpoint in shown)
    return Drawing(
        title=f"Gain of every τ over τ={CONTROL_TAU:g}",
        caption=(
            "A dot is one training, less the level of its seed. The line is the shape that fits best, the band "
            "holds the gain at every τ (95 %), over all shapes that the trainings do not refute; both are missing "
            "where the response is not smooth. Higher is better; a "
            "gain in cross-entropy is a fall."
        ),
        alt=f"{said}.",
        figure=figure,
        points={f"{_TRAININGS}-{number}": _in_words(endpoint) for number, endpoint in enumerate(shown)},
    )


def _in_words(endpoint: Endpoint) -> list[str]:
    """Returns what each training got."""
    sign = 1.0 if endpoint.unit == "points" else -1.0  # a loss is kept as its negative
    unit = "%" if endpoint.unit == "points" else endpoint.unit
    return [
        f"τ={row['tau']:.3g}, seed {row['seed']}: {endpoint.name} {sign * row['gain']:.{endpoint.digits}f} {unit}"
        for row in rows_of(endpoint.trainings)
    ]


def _draw(axes: Axes, endpoint: Endpoint, gid: str) -> None:
    response = endpoint.response
    assert response is not None

    # Seeds differ in level: each seed's trainings are moved so that they lie around the curve.
    trainings = endpoint.trainings
    expected = np.interp(np.log(trainings["tau"]), np.log(response.points), response.curve)
    level = (trainings["gain"] - expected).groupby(trainings["seed"]).transform("median")
    axes.plot(
        trainings["tau"], trainings["gain"] - level, "o", color="#0072B2", alpha=0.45, markersize=4.5,
        markeredgewidth=0, label="one training", gid=gid,
    )  # fmt: skip

    if response.fits:
        axes.fill_between(
            response.points, response.band_low, response.band_high, color="#E69F00", alpha=0.3, linewidth=0,
            label="band of the gain (95 %)",
        )  # fmt: skip
        axes.plot(response.points, response.curve, "-", color="#D55E00", linewidth=1.6, label="best shape")

    axes.axhline(0.0, color="black", linewidth=0.8)
    log_if_wide(axes, list(response.points))
    axes.set_xlabel("temperature τ")
    axes.set_ylabel(f"{endpoint.name}:\ngain, {endpoint.unit}")
