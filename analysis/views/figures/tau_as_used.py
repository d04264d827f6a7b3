"""τ as used: what rules and schedules made of the base τ, over the steps of the training that was chosen."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.frames.groupby import groups
from analysis.views.figures.setting import WIDTH, Drawing, Setting

_MOST_POINTS = 400  # of a line; more steps are averaged
_COLUMNS = 2
_PANEL_HEIGHT = 2.1  # inches
_COLOR = "#924900"


def tau_as_used(setting: Setting) -> Drawing | None:
    """Draws the student's τ over the training, a panel for each strategy with a rule or a schedule of its own."""
    traces = _traces(setting)
    if not traces:
        return None

    count = len(traces)
    columns, rows = min(count, _COLUMNS), -(-count // _COLUMNS)
    figure = Figure(figsize=(WIDTH, max(rows, 1.4) * _PANEL_HEIGHT))
    for place, (label, trace) in enumerate(traces.items()):
        axes = figure.add_subplot(rows, columns, place + 1)
        _draw(axes, trace)
        axes.set_title(label, fontsize=9)
        if place % columns == 0:
            axes.set_ylabel("τ as used")
        if place + columns >= count:
            axes.set_xlabel("epoch")

    ranges = [f"{label} {_figure(trace.iloc[0])} to {_figure(trace.iloc[-1])}" for label, trace in traces.items()]
    return Drawing(
        title="Temperatures as used",
        caption=(
            "What the student's logits were divided by at each step of the training that was chosen: the mean within "
            "the batch, and ± its standard deviation within the batch (shaded). Mean over seeds; each panel has a "
            "scale of its own."
        ),
        alt=f"First to last step, mean within the batch: {'; '.join(ranges)}.",
        figure=figure,
    )


def _traces(setting: Setting) -> dict[str, pd.DataFrame]:
    """Returns τ over the training by strategy: `tau` and `tau_sd`, indexed by the epoch as a fraction."""
    of_class = setting.runs[setting.runs["class"].str.contains("adaptive|scheduled|random")]
    traces: dict[str, pd.DataFrame] = {}

    for (label,), runs in groups(of_class, ["strategy"], sort=False):
        chosen = [
            (number, trial)
            for numbers, trial in zip(runs["campaigns"], runs["trial"], strict=True)
            for number in numbers
        ]
        campaigns = [number for number, _ in chosen]
        steps = _of_trials(setting.sweep.steps_of(campaigns), chosen, ["epoch", "step"])
        epochs = _of_trials(setting.sweep.epochs_of(campaigns), chosen, ["epoch"])

        # One that draws τ for whole batches has a figure of its own; one whose τ never varies has nothing to show.
        is_drawn_per_batch = steps["tau_sd"].isna().all() and not runs["class"].str.contains("scheduled").any()
        if not steps.empty and not is_drawn_per_batch:
            traces[label] = _averaged(steps, epochs)
    return traces


def _of_trials(frame: pd.DataFrame, trials: list[tuple[int, float]], place: list[str]) -> pd.DataFrame:
    """Returns the rows of some trials; what an attempt that was cut off did again counts once."""
    rows = frame[pd.MultiIndex.from_frame(frame[["campaign", "trial"]]).isin(trials)]
    return rows.drop_duplicates(["campaign", *place], keep="last")


def _averaged(steps: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """Averages over seeds, and over neighbouring steps where there are too many to be seen."""
    per_epoch = int(steps["step"].max()) + 1

    # The steps of an epoch in which τ did not vary are not on record; the epoch's mean says what it was.
    seen = pd.MultiIndex.from_frame(steps[["campaign", "epoch"]])
    unseen = epochs[~pd.MultiIndex.from_frame(epochs[["campaign", "epoch"]]).isin(seen)]
    constant = unseen.loc[unseen.index.repeat(per_epoch), ["epoch", "tau_mean", "tau_sd"]]
    constant = constant.rename(columns={"tau_mean": "tau"}).assign(step=np.tile(np.arange(per_epoch), len(unseen)))
    every = pd.concat([steps[["epoch", "step", "tau", "tau_sd"]], constant], ignore_index=True)

    position = every["epoch"] * per_epoch + every["step"]
    width = -(-(int(position.max()) + 1) // _MOST_POINTS)
    mean = every.assign(tau_sd=every["tau_sd"].fillna(0.0)).groupby(position // width)[["tau", "tau_sd"]].mean()
    return mean.set_axis((mean.index * width + (width - 1) / 2) / per_epoch, axis="index")


def _draw(axes: Axes, trace: pd.DataFrame) -> None:
    epoch, tau, sd = (np.asarray(values, dtype=np.float64) for values in (trace.index, trace["tau"], trace["tau_sd"]))
    axes.fill_between(epoch, tau - sd, tau + sd, color=_COLOR, alpha=0.25, linewidth=0)
    axes.plot(epoch, tau, "-", color=_COLOR, linewidth=1.2)


def _figure(row: pd.Series) -> str:
    return f"{row['tau']:.3g} (± {row['tau_sd']:.2g})"
