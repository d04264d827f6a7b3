"""Does a part of a study still give what the study found? A gate against regressions, run by hand or every night.

The same campaigns give the same bits on one machine with one PyTorch. On another they do not, so the means must lie
where chance puts them, and a verdict must not contradict the study's.
"""

import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from scipy import stats

import analysis
from analysis.frames import columns
from analysis.results.comparison import Comparison
from analysis.results.verdict import Verdict
from studies.running import ROOT, load_records, run_sweep
from studies.study import Study

_LEVEL = 0.001  # of one interval: some ten are looked at each night


@dataclasses.dataclass(frozen=True)
class Held:
    """One number held against the study's.

    Attributes:
        what: What it is of.
        value: The number now, points.
        low: The least that chance allows, points.
        high: The most.
        holds: Whether it lies between them.
    """

    what: str
    value: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """Whether it lies between them."""
        return self.low <= self.value <= self.high


def check_study(study: Study, overrides: list[str]) -> int:
    """Runs the part that is checked, anew and with a teacher of its own, and holds it against the study.

    Returns:
        The exit code: 0; 1 where something does not hold; or that of the command that failed.
    """
    sweep = f"{study.folder.name}-check-{time.strftime('%Y%m%d-%H%M%S')}"
    folder = Path("multirun") / sweep
    for experiment in study.plan.check:
        code = run_sweep(study, experiment, [f"sweep={sweep}", f"cache_dir={folder / 'cache'}", *overrides])
        if code != 0:
            return code

    published = analysis.compare(load_records(study))
    repeated = analysis.compare(analysis.load(ROOT / folder))
    return report(published, repeated, study.plan.margin)


def report(published: Comparison, repeated: Comparison, margin: float) -> int:
    """Prints what was held against the study, and returns 1 where something does not hold, else 0."""
    held = [*scores(published.runs, repeated.runs), *work(published.runs, repeated.runs)]
    for one in held:
        print(f"{'holds' if one.holds else 'FAILS'}  {one.what}: {one.value:.2f}, in {one.low:.2f} … {one.high:.2f}")

    contradictions = [
        *contradicted(analysis.verdicts(published, margin=margin), analysis.verdicts(repeated, margin=margin))
    ]
    for text in contradictions:
        print(f"FAILS  {text}")

    failed = len(contradictions) + sum(not one.holds for one in held)
    print(f"{len(held)} numbers and the verdicts held against the study: {failed} not as there")
    return int(failed > 0 or not held)


def scores(published: pd.DataFrame, repeated: pd.DataFrame) -> Iterator[Held]:
    """Yields the mean test score of each strategy that both have, with the interval that chance gives it.

    The interval is that of a mean of as many new seeds, predicted from the study's. The standard deviation between
    seeds is pooled over the strategies of the setting, for few seeds can be alike by chance.
    """
    for key, now in repeated.groupby([*columns.SETTING, "strategy"]):
        setting = _rows(published, columns.SETTING, key[:-1])
        then = _rows(setting, ["strategy"], key[-1:])["test_score"].dropna()
        new = now["test_score"].dropna()
        by_strategy = setting.groupby("strategy")["test_score"]
        df = int((by_strategy.count() - 1).clip(lower=0).sum())
        if then.empty or new.empty or df == 0:
            continue

        squares = by_strategy.apply(lambda scores: ((scores - scores.mean()) ** 2).sum()).sum()
        sd = 100 * math.sqrt(squares / df)
        reach = float(stats.t.ppf(1 - _LEVEL / 2, df)) * sd * math.sqrt(1 / len(then) + 1 / len(new))
        mean = 100 * float(then.mean())
        yield Held(f"{_name(key)}, test score %", 100 * float(new.mean()), mean - reach, mean + reach)


def work(published: pd.DataFrame, repeated: pd.DataFrame) -> Iterator[Held]:
    """Yields the FLOPs of choosing τ of each strategy and seed that both have; they are counted, so they are the same.

    A thousandth is allowed, for a search may propose other trials where scores differ in a last bit.
    """
    both = repeated.merge(published, on=[*columns.SETTING, "strategy", "seed"], suffixes=("", "_then"))
    for key, rows in both.groupby([*columns.SETTING, "strategy"]):
        now, then = (float(rows[name].mean()) / 1e9 for name in ("tuning_flops", "tuning_flops_then"))
        if not math.isnan(then):
            yield Held(f"{_name(key)}, GFLOP", now, 0.999 * then, 1.001 * then)


def _rows(frame: pd.DataFrame, names: Sequence[str], values: Sequence[str]) -> pd.DataFrame:
    return frame[(frame[list(names)] == list(values)).all(axis=1)]


def _name(key: Sequence[str]) -> str:
    return f"{key[0]}, {key[3]}, {key[-1]}"


def contradicted(published: list[Verdict], repeated: list[Verdict]) -> Iterator[str]:
    """Yields the verdicts whose interval now has no point in common with the study's."""
    then = {(verdict.setting, verdict.strategy, verdict.control): verdict for verdict in published}
    for now in repeated:
        before = then.get((now.setting, now.strategy, now.control))
        if before is None or now.seeds < 2 or before.seeds < 2:
            continue
        if now.low > before.high or now.high < before.low:
            yield f"{now.sentence} The study: {before.low:+.2f} to {before.high:+.2f}, {before.decision}."
