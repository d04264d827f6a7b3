"""Does a part of a study still give what the study found? A gate against regressions, run by hand or every night.

The same campaigns give the same bits on one machine with one PyTorch. On another they do not, so the means must lie
where chance puts them, and a verdict must not contradict the study's.
"""

import dataclasses
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from scipy import stats

import analysis
from analysis.frames import columns
from analysis.results.comparison import Comparison
from analysis.results.verdict import Verdict
from studies.running import ROOT
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
    command = [sys.executable, "run.py", "-m", "--config-dir", str(study.folder), f"experiment={study.plan.check}"]
    command += [f"sweep={sweep}", f"cache_dir={folder / 'cache'}", *overrides]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if code != 0:
        return code

    published = analysis.compare(analysis.load(study.folder / "records"))
    repeated = analysis.compare(analysis.load(ROOT / folder))
    return report(published, repeated, study.plan.margin)


def report(published: Comparison, repeated: Comparison, margin: float) -> int:
    """Prints what was held against the study, and returns 1 where something does not hold, else 0."""
    held = [*scores(published.runs, repeated.runs)]
    for one in held:
        print(f"{'holds' if one.holds else 'FAILS'}  {one.what}: {one.value:.2f}, in {one.low:.2f} … {one.high:.2f}")

    contradictions = [
        *contradicted(analysis.verdicts(published, margin=margin), analysis.verdicts(repeated, margin=margin))
    ]
    for text in contradictions:
        print(f"FAILS  {text}")

    failed = len(contradictions) + sum(not one.holds for one in held)
    print(f"{len(held)} means, {failed} of them or of the verdicts not as in the study")
    return int(failed > 0 or not held)


def scores(published: pd.DataFrame, repeated: pd.DataFrame) -> Iterator[Held]:
    """Yields the mean test score of each strategy that both have, with the interval that chance gives it.

    The interval is that of a mean of as many new seeds, predicted from the study's: t, pooled with nothing. The study's
    standard deviation counts as half a point at least, for a few seeds can be alike by chance.
    """
    keys = [*columns.SETTING, "strategy"]
    for key, now in repeated.groupby(keys):
        then = published[(published[keys] == list(key)).all(axis=1)]["test_score"].dropna()
        new = now["test_score"].dropna()
        if len(then) < 2 or new.empty:
            continue

        sd = max(100 * float(then.std()), 0.5)
        reach = float(stats.t.ppf(1 - _LEVEL / 2, len(then) - 1)) * sd * math.sqrt(1 / len(then) + 1 / len(new))
        mean = 100 * float(then.mean())
        yield Held(f"{key[0]}, {key[3]}, {key[-1]}, test score %", 100 * float(new.mean()), mean - reach, mean + reach)


def contradicted(published: list[Verdict], repeated: list[Verdict]) -> Iterator[str]:
    """Yields the verdicts whose interval now has no point in common with the study's."""
    then = {(verdict.setting, verdict.strategy, verdict.control): verdict for verdict in published}
    for now in repeated:
        before = then.get((now.setting, now.strategy, now.control))
        if before is None or now.seeds < 2 or before.seeds < 2:
            continue
        if now.low > before.high or now.high < before.low:
            yield f"{now.sentence} The study: {before.low:+.2f} to {before.high:+.2f}, {before.decision}."
