"""What any τ can gain in each setting, in the test score and in the test loss: the first line of a verdict.

Every training with one τ throughout informs the curve, whichever strategy asked for it: those of a grid, at a fixed τ,
of a search over τ. The same seed and τ is the same training, to the last digit, and counts once. Where other settings
were searched too, only trainings in which these have the configuration's own values count: the others differ in more
than τ.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.frames import columns
from analysis.frames.groupby import groups
from analysis.frames.side_by_side import mapped
from analysis.results.comparison import Comparison
from analysis.results.held_fixed import held_fixed
from analysis.results.tau_response import CONTROL_TAU, TauResponse, tau_response
from analysis.results.verdict_words import place
from greenkd.records import StrategyKind, TrialStatus

# Strategies whose trainings have one τ throughout and differ in nothing else.
_KINDS = tuple(
    kind.value for kind in (StrategyKind.FIXED, StrategyKind.GRID, StrategyKind.SEARCH, StrategyKind.TRANSFER)
)

_EQUAL_WITHIN = 1e-12


@dataclasses.dataclass(frozen=True, kw_only=True)
class Endpoint:
    """How one measure of the test responds to τ.

    Attributes:
        name: What was measured, within a sentence.
        unit: The unit of its gains.
        digits: Digits after the point.
        trainings: Table with the columns seed, tau and gain: each training's score in the unit, higher is better.
        response: The response to τ; None where there is none to speak of.
        words: Why there is none; empty where there is one.
    """

    name: str
    unit: str
    digits: int
    trainings: pd.DataFrame
    response: TauResponse | None
    words: str

    def sentence(self, margin: float) -> str:
        """What the trainings say, without a full stop."""
        return self.words if self.response is None else self.response.sentence(margin, self.unit, self.digits)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SettingResponse:
    """What any τ can gain in one setting.

    Attributes:
        setting: Data set, teacher, student, objective and setting_id.
        score: The response of the test score, in points.
        loss: That of the negative test loss; None where no loss is on record.
        held_fixed: What all seeds share besides the test images.
        campaigns: Numbers of the campaigns behind it.
    """

    setting: tuple[str, ...]
    score: Endpoint
    loss: Endpoint | None
    held_fixed: tuple[str, ...]
    campaigns: tuple[int, ...]

    def sentence(self, margin: float) -> str:
        """The first line of the setting's verdict."""
        text = f"{place(self.setting)}: {self.score.sentence(margin)}"
        if self.loss is not None:
            # Any effect that is shown is named: there is no margin for a loss.
            text += f"; in {self.loss.name} {self.loss.sentence(0.0)}"
        return f"{text}. {self.scope}"

    @property
    def scope(self) -> str:
        """What was the same for all seeds, as a sentence."""
        if not self.held_fixed:
            return "Seeds differ in split and teacher; the test images are the same."
        shared = ", ".join(("Test images", *self.held_fixed[:-1]))
        of_these = " and ".join(f"this {name}" for name in self.held_fixed)
        return f"{shared} and {self.held_fixed[-1]} were the same for all seeds: this speaks of {of_these}."


def responses(comparison: Comparison) -> list[SettingResponse]:
    """Returns the response to τ of every setting in which several τ were trained."""
    sweep = comparison.sweep
    trainings = _trainings(sweep.campaigns, sweep.trials)
    settings = {key: rows for key, rows in groups(trainings, columns.SETTING) if rows["tau"].nunique() > 1}
    parts = mapped(_endpoints, list(settings.values()), campaigns=len(sweep.folders), processes=sweep.processes)

    found = []
    for (key, rows), (score, loss) in zip(settings.items(), itertools.chain.from_iterable(parts), strict=True):
        numbers = tuple(sorted(int(number) for number in rows["campaign"].unique()))
        shared = held_fixed(sweep, numbers)
        found.append(SettingResponse(setting=key, score=score, loss=loss, held_fixed=shared, campaigns=numbers))
    return found


def _endpoints(settings: Sequence[pd.DataFrame]) -> list[tuple[Endpoint, Endpoint | None]]:
    """Returns score and loss of each setting, from its trainings."""
    return [
        (_endpoint("test_score", rows), _endpoint("test_loss", rows) if rows["test_loss"].notna().all() else None)
        for rows in settings
    ]


def _trainings(campaigns: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Returns the trainings at one τ that were tested, each once, with setting, seed and metric."""
    names = ["campaign", "kind", "seed", "metric", *columns.SETTING]
    of_kind = campaigns.loc[campaigns["kind"].isin(_KINDS), names]

    tested = trials[(trials["status"] == TrialStatus.COMPLETE) & trials["tau"].notna() & trials["test_score"].notna()]
    of_tau_alone = [{key for key in params or () if "." not in key} == {"tau"} for params in tested["params"]]
    is_comparable = np.array(of_tau_alone, dtype=np.bool_) & tested["as_configured"].astype(bool)
    trainings = tested[is_comparable].merge(of_kind, on="campaign")
    return trainings.drop_duplicates([*columns.SETTING, "seed", "tau"])


def _endpoint(name: str, setting: pd.DataFrame) -> Endpoint:
    metric = str(setting["metric"].iloc[0])
    scores = setting[name].to_numpy(dtype=np.float64)

    if name == "test_score":
        words, unit, digits, scores = f"test {metric}", "points", 2, 100 * scores
    elif metric == "accuracy":
        words, unit, digits, scores = "cross-entropy", "nats", 3, -scores
    else:
        words, unit, digits, scores = "test loss", "units", 3, -scores

    seeds, taus = setting["seed"].to_numpy(dtype=np.int64), setting["tau"].to_numpy(dtype=np.float64)
    response, reason = _response(scores, seeds, taus)
    trainings = pd.DataFrame({"seed": seeds, "tau": taus, "gain": scores})
    return Endpoint(name=words, unit=unit, digits=digits, trainings=trainings, response=response, words=reason)


def _response(
    scores: NDArray[np.float64], seeds: NDArray[np.int64], taus: NDArray[np.float64]
) -> tuple[TauResponse | None, str]:
    """Returns the response to τ, or why there is none."""
    of_seed = pd.Series(scores).groupby(seeds)
    if (of_seed.max() - of_seed.min() < _EQUAL_WITHIN).all():
        return None, f"all {len(scores)} trainings are equal, whatever their τ"

    try:
        return tau_response(scores, seeds, taus), ""
    except ValueError:
        low, high = float(taus.min()), float(taus.max())
        return None, f"there is no fixed control: τ={CONTROL_TAU:g} lies outside the trained range {low:g}…{high:g}"
