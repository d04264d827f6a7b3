"""How test score and cross-entropy respond to τ, with the band of the gain over τ = 4."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.results.response import Endpoint
from analysis.results.tau_response import CONTROL_TAU
from analysis.views.figures.setting import Drawing, Setting, log_if_wide

_WIDTH, _HEIGHT, _LEGEND = 5.2, 2.6, 0.4  # inches: of the figure, of a panel, and of the legend below


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

    # One panel above the other, so that the figure can be read on a telephone.
    figure = Figure(figsize=(_WIDTH, _HEIGHT * len(shown) + _LEGEND))
    panels: list[Axes] = [figure.add_subplot(len(shown), 1, number + 1) for number in range(len(shown))]
    for axes, endpoint in zip(panels, shown, strict=True):
        _draw(axes, endpoint)
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
    )


def _draw(axes: Axes, endpoint: Endpoint) -> None:
    response = endpoint.response
    assert response is not None

    # Seeds differ in level: each seed's trainings are moved so that they lie around the curve.
    trainings = endpoint.trainings
    expected = np.interp(np.log(trainings["tau"]), np.log(response.points), response.curve)
    level = (trainings["gain"] - expected).groupby(trainings["seed"]).transform("median")
    axes.plot(
        trainings["tau"], trainings["gain"] - level, "o", color="#0072B2", alpha=0.45, markersize=4.5,
        markeredgewidth=0, label="one training",
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
