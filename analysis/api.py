"""The public names of the analysis, in the order of the way from records to what is shown."""

from analysis.frames.load import Sweep, load
from analysis.frames.pricing import Pricing, make_pricing
from analysis.frames.problem import Problem
from analysis.frames.side_by_side import usable_processes
from analysis.frames.verification import Verification, verify
from analysis.results.comparison import Comparison, compare
from analysis.results.cost_to_reach import cost_to_reach
from analysis.results.equal_energy import equal_energy
from analysis.results.inference import inference
from analysis.results.judging import verdicts
from analysis.results.response import SettingResponse, responses
from analysis.results.strategy_runs import strategy_runs
from analysis.results.verdict import Verdict
from analysis.views.comparison_table import comparison_tables
from analysis.views.files import write_comparison, write_looks, write_verdicts
from analysis.views.printing import print_comparison, print_results

__all__ = [
    "Comparison",
    "Pricing",
    "Problem",
    "SettingResponse",
    "Sweep",
    "Verdict",
    "Verification",
    "compare",
    "comparison_tables",
    "cost_to_reach",
    "equal_energy",
    "inference",
    "load",
    "make_pricing",
    "print_comparison",
    "print_results",
    "responses",
    "strategy_runs",
    "usable_processes",
    "verdicts",
    "verify",
    "write_comparison",
    "write_looks",
    "write_verdicts",
]
