"""What each way of choosing τ cost, what it bought, and how sure that is: from the records alone, without torch.

    >>> import analysis
    >>> sweep = analysis.load("multirun/default")
    >>> sweep.campaigns, sweep.trials, sweep.epochs, sweep.ledger   # tidy frames, columns in analysis.columns
    >>> comparison = analysis.compare(sweep)
    >>> comparison.table
    >>> [verdict.sentence for verdict in analysis.verdicts(comparison)]

`python -m analysis --help` shows the same from the command line.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.budgets import equal_energy
    from analysis.comparison import Comparison, compare
    from analysis.errors import AnalysisError
    from analysis.loading import Problem, Sweep, load
    from analysis.networks import inference
    from analysis.present import comparison_tables, print_comparison, write_comparison
    from analysis.pricing import Pricing, make_pricing
    from analysis.reach import cost_to_reach
    from analysis.report import write_report
    from analysis.runs import strategy_runs
    from analysis.verdict import Verdict, verdicts

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
    "AnalysisError": "errors",
    "Comparison": "comparison",
    "Pricing": "pricing",
    "Problem": "loading",
    "Sweep": "loading",
    "Verdict": "verdict",
    "compare": "comparison",
    "comparison_tables": "present",
    "cost_to_reach": "reach",
    "equal_energy": "budgets",
    "inference": "networks",
    "load": "loading",
    "make_pricing": "pricing",
    "print_comparison": "present",
    "strategy_runs": "runs",
    "verdicts": "verdict",
    "write_comparison": "present",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    """Imports a name when it is first used: pandas takes a second, and `--help` should not."""
    if name not in _HOMES:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(importlib.import_module(f"analysis.{_HOMES[name]}"), name)
