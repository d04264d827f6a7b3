"""What each way of choosing τ cost, what it bought, and how sure that is: from the records alone, without torch.

    >>> import analysis
    >>> sweep = analysis.load("multirun/default")
    >>> sweep.campaigns, sweep.trials, sweep.epochs, sweep.ledger   # tidy frames
    >>> analysis.compare(sweep).table

`python -m analysis --help` shows the same from the command line.
"""

from analysis.comparison import Comparison, compare
from analysis.load import AnalysisError, Problem, Sweep, load
from analysis.present import comparison_tables, print_comparison, write_comparison
from analysis.runs import strategy_runs

__all__ = [
    "AnalysisError",
    "Comparison",
    "Problem",
    "Sweep",
    "compare",
    "comparison_tables",
    "load",
    "print_comparison",
    "strategy_runs",
    "write_comparison",
]
