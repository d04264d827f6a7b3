"""How an estimate is shown."""

from collections.abc import Callable

from greenkd.records import CostEstimate, EstimateRecord

_HEAD = ("", "trials", "GFLOPs", "CPU s", "range", "time", "range", "kWh", "range", "g CO₂eq")


def describe_estimate(record: EstimateRecord) -> str:
    """Returns an estimate as an aligned table, between a line on its source and some lines on how to read it."""
    rows = [*record.rows, record.total, record.stochastic_alone]
    cells = [_HEAD, *map(_cells, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEAD))]

    lines = [f"estimate ({record.source}; {record.meter})"]
    for name, *figures in cells:
        aligned = [figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True)]
        lines.append("  " + "  ".join([name.ljust(widths[0]), *aligned]))

    lines += [
        "  stochastic alone: one training for each seed, with all that it needs, the teacher included",
        "  FLOPs are exact where no trial is pruned or fails (metered inference left out); CPU seconds repeat within",
        "  their range; time and kWh reach from an idle machine to one as busy as this one is or was of late",
    ]
    return "\n".join(lines)


def _cells(row: CostEstimate) -> tuple[str, ...]:
    return (
        row.name,
        str(row.trials) if row.trials else "",
        f"{row.flops / 1e9:,.4g}" if row.flops else "",
        f"{row.cpu_s:,.0f}",
        f"{row.cpu_s * row.low:,.0f} to {row.cpu_s * row.high:,.0f}",
        _time(row.duration_s),
        _range(row.duration_low_s, row.duration_high_s, _time),
        _figure(row.energy_kwh),
        _range(row.energy_low_kwh, row.energy_high_kwh, _figure),
        _figure(row.co2eq_g),
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _range(low: float | None, high: float | None, show: Callable[[float], str]) -> str:
    return "-" if low is None or high is None else f"{show(low)} to {show(high)}"


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.2f} h" if seconds >= 360 else f"{seconds:.0f} s"
