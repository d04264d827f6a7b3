"""How an estimate is shown."""

from greenkd.records import CostEstimate, EstimateRecord

_HEAD = ("", "trials", "CPU s", "range", "time", "energy", "carbon")


def describe_estimate(record: EstimateRecord) -> str:
    """Returns an estimate as an aligned table, between a line on its source and two lines on how to read it."""
    rows = [*record.rows, record.total, record.stochastic_alone]
    cells = [_HEAD, *map(_cells, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEAD))]

    lines = [f"estimate ({record.source}; {record.meter})"]
    for name, *figures in cells:
        aligned = [figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True)]
        lines.append("  " + "  ".join([name.ljust(widths[0]), *aligned]))

    lines += [
        "  stochastic alone: one training for each seed, with all that it needs, the teacher included",
        "  time and energy are those of the machine as it is now; on a busy one CPU seconds are the surer figure",
    ]
    return "\n".join(lines)


def _cells(row: CostEstimate) -> tuple[str, ...]:
    return (
        row.name,
        str(row.trials) if row.trials else "",
        f"{row.cpu_s:,.0f}",
        f"{row.cpu_s * row.low:,.0f} to {row.cpu_s * row.high:,.0f}",
        _time(row.duration_s),
        "-" if row.energy_kwh is None else f"{row.energy_kwh:.3g} kWh",
        "-" if row.co2eq_g is None else f"{row.co2eq_g:.3g} g CO₂eq",
    )


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.2f} h" if seconds >= 360 else f"{seconds:.0f} s"
