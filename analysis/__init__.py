"""What each way of choosing τ cost, what it bought, and how sure that is: from the records alone, without torch.

    >>> import analysis
    >>> sweep = analysis.load("multirun/default")
    >>> sweep.campaigns, sweep.trials, sweep.epochs, sweep.ledger   # tidy frames, columns in analysis.frames.columns
    >>> comparison = analysis.compare(sweep)
    >>> comparison.table
    >>> [verdict.sentence for verdict in analysis.verdicts(comparison)]

`python -m analysis --help` shows the same from the command line.
"""

import importlib
from typing import TYPE_CHECKING, Any

from greenkd.errors import AnalysisError

if TYPE_CHECKING:
    from analysis.frames.load import Problem, Sweep, load
    from analysis.frames.pricing import Pricing, make_pricing
    from analysis.results.comparison import Comparison, compare
    from analysis.results.cost_to_reach import cost_to_reach
    from analysis.results.equal_energy import equal_energy
    from analysis.results.inference import inference
    from analysis.results.strategy_runs import strategy_runs
    from analysis.results.verdict import Verdict, verdicts
    from analysis.views.comparison_table import comparison_tables, print_comparison, write_comparison
    from analysis.views.report import write_report

__all__ = [
    "AnalysisError",
    "Comparison",
    "Pricing",
    "Problem",
    "Sweep",
    "Verdict",
    "compare",
    "comparison_tables",
    "cost_to_reach",
    "equal_energy",
    "inference",
    "load",
    "make_pricing",
    "print_comparison",
    "strategy_runs",
    "verdicts",
    "write_comparison",
    "write_report",
]

_HOMES = {
    "Comparison": "results.comparison",
    "Pricing": "frames.pricing",
    "Problem": "frames.load",
    "Sweep": "frames.load",
    "Verdict": "results.verdict",
    "compare": "results.comparison",
    "comparison_tables": "views.comparison_table",
    "cost_to_reach": "results.cost_to_reach",
    "equal_energy": "results.equal_energy",
    "inference": "results.inference",
    "load": "frames.load",
    "make_pricing": "frames.pricing",
    "print_comparison": "views.comparison_table",
    "strategy_runs": "results.strategy_runs",
    "verdicts": "results.verdict",
    "write_comparison": "views.comparison_table",
    "write_report": "views.report",
}


def __getattr__(name: str) -> Any:
    """Imports a name when it is first used: pandas takes a second, and `--help` should not."""
    if name not in _HOMES:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(importlib.import_module(f"analysis.{_HOMES[name]}"), name)
