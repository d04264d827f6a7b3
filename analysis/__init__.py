"""What each way of choosing τ cost, what it bought, and how sure that is: from the records alone, without torch.

    import analysis
    sweep = analysis.load("multirun/default")
    sweep.campaigns, sweep.trials, sweep.epochs, sweep.ledger   # tidy frames, columns in analysis.frames.columns
    comparison = analysis.compare(sweep)
    comparison.table
    [verdict.sentence for verdict in analysis.verdicts(comparison)]

`python -m analysis --help` shows the same from the command line. The public names are those of `analysis.api`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from analysis import units as units
from greenkd.errors import AnalysisError as AnalysisError

if TYPE_CHECKING:
    from analysis.api import *  # noqa: F403
    from analysis.views.report import write_report as write_report
    from analysis.views.watch import watch as watch

_HOMES = {"write_report": "analysis.views.report", "watch": "analysis.views.watch"}


def __getattr__(name: str) -> Any:
    """Finds a public name when it is first used.

    This is the only late import of the analysis. `--help` and wrong options need not wait for pandas and scipy
    (0.9 s); the table at the end of a sweep need not wait for matplotlib and what else the report takes (0.4 s),
    nor the view of a running sweep for any of them.
    """
    if name.startswith("_"):
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES.get(name, "analysis.api")), name)
