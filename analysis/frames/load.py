"""From folders to tidy frames: `analysis.load("multirun/x")`."""

import dataclasses
import math
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.frames import columns
from analysis.frames.campaigns import campaigns_frame
from analysis.frames.ledger import read_ledger
from analysis.frames.looks import Looks, read_looks, sweep_folders
from analysis.frames.packed import unpack_packed
from analysis.frames.pricing import Pricing
from analysis.frames.problem import Problem, add_problems
from analysis.frames.problems import note_commands, note_lost_costs, note_unfinished
from analysis.frames.reading import read_frame, read_records
from analysis.frames.repricing import reprice_records
from analysis.frames.settings_apart import tell_settings_apart
from analysis.frames.shared_costs import in_own_terms
from analysis.frames.trials import trials_frame
from greenkd import records
from greenkd.errors import AnalysisError
from greenkd.records import CampaignRecord
from greenkd.whereabouts import analysis_command, sweep_command


@dataclasses.dataclass
class Sweep:
    """All campaigns below some folders, as tidy frames. Columns and units: `analysis.frames.columns`.

    Attributes:
        roots: The folders that were asked for.
        campaigns: One row per campaign.
        trials: One row per attempt of a trial; killed attempts, known from the ledger alone, included.
        ledger: One row per metered interval.
        problems: Torn lines, refused or doubled campaigns, half-finished ones.
        records: `campaign.json` of each campaign, by the campaign's number.
        folders: The campaigns' folders, likewise.
        pricing: What the grams and the money were worked out with.
        looks: The looks that were taken at these sweeps before.
        processes: How many processes may work where campaigns are many.
    """

    roots: tuple[Path, ...]
    campaigns: pd.DataFrame
    trials: pd.DataFrame
    ledger: pd.DataFrame
    problems: list[Problem]
    records: dict[int, CampaignRecord]
    folders: dict[int, Path]
    pricing: Pricing
    looks: Looks
    processes: int = 1

    @cached_property
    def _places(self) -> dict[int, NDArray[np.intp]]:
        """Where the trials of each campaign stand in their frame; a frame for each would take seconds of thousands."""
        return cast("dict[int, NDArray[np.intp]]", self.trials.groupby("campaign").indices)

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """One row per epoch, read when first asked for."""
        return self.epochs_of(self.folders)

    @cached_property
    def steps(self) -> pd.DataFrame:
        """One row per batch of the schedules that change τ within a training, read when first asked for."""
        return self.steps_of(self.folders)

    def epochs_of(self, campaigns: Iterable[int]) -> pd.DataFrame:
        """Returns the epochs of some campaigns, read anew; those of thousands would take long to read."""
        frame = self._read(campaigns, "epochs.jsonl", records.EpochRow, columns.EPOCHS)
        return frame.reindex(columns=list(columns.EPOCHS))

    def steps_of(self, campaigns: Iterable[int]) -> pd.DataFrame:
        """Returns the steps of some campaigns, read anew."""
        frame = self._read(campaigns, "steps.jsonl", records.StepsRow)
        frame = frame.rename(columns={"taus": "tau", "losses": "loss"})

        # A line of the file holds a whole epoch; a row of the frame is one batch.
        frame["step"] = [range(len(taus)) for taus in frame["tau"]]
        frame["tau_sd"] = [
            [math.nan] * len(taus) if sds is None else sds
            for taus, sds in zip(frame["tau"], frame["tau_sds"], strict=True)
        ]
        frame = frame.explode(["step", "tau", "tau_sd", "loss"], ignore_index=True)
        frame = frame.astype({"step": "int64", "tau": "float64", "tau_sd": "float64", "loss": "float64"})
        return frame.reindex(columns=list(columns.STEPS))

    def _read(
        self, campaigns: Iterable[int], name: str, row_type: type[Any], names: Collection[str] | None = None
    ) -> pd.DataFrame:
        folders = {number: self.folders[number] for number in sorted(set(campaigns))}
        problems: list[Problem] = []
        frame = read_frame(folders, name, row_type, problems, names, processes=self.processes)
        add_problems(self.problems, problems)  # which several figures may read
        return frame

    def trials_in(self, campaigns: Sequence[int]) -> pd.DataFrame:
        """Returns the attempts of some campaigns, in the order in which the campaigns are given."""
        places = [self._places[number] for number in campaigns if number in self._places]
        return self.trials.take(np.concatenate([np.empty(0, dtype=np.intp), *places]))


def load(paths: str | Path | Sequence[str | Path], *, pricing: Pricing | None = None, processes: int = 1) -> Sweep:
    """Reads every campaign below one or several folders.

    A campaign of another schema version is left out and named in `problems`; a campaign that lies in two folders is
    read once.

    Args:
        paths: A sweep's folder, or several.
        pricing: Another intensity, PUE or price than the recorded ones; grams are then worked out anew.
        processes: How many processes may work where campaigns are many. A script that asks for several needs its
            `if __name__ == "__main__":`, since they import it.

    Raises:
        AnalysisError: A folder does not exist or holds no campaign.
    """
    roots = tuple(Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths))
    pricing = pricing or Pricing()
    problems: list[Problem] = []

    # Who is there: the campaigns' records.
    for root in roots:
        if not root.is_dir():
            raise AnalysisError(
                f"{root} is no folder; run a sweep first: {sweep_command()} -m temperature=grid,stochastic"
            )
    unpack_packed(roots, problems)
    campaign_records, folders = read_records(roots, problems, processes=processes)
    if not campaign_records:
        reasons = "".join(f"\n  {problem.where}: {problem.what}" for problem in problems)
        raise AnalysisError(
            f"no campaign found below {', '.join(map(str, roots))}: there is no campaign.json that can be read. "
            f"Run a sweep first, or name its folder: {analysis_command()} multirun/<sweep>{reasons}"
        )

    # What was spent, priced as asked for.
    ledger = read_ledger(folders, problems, processes=processes)
    campaign_records = in_own_terms(campaign_records, folders, ledger, problems)
    ledger = pricing.ledger(ledger)
    campaign_records = reprice_records(campaign_records, ledger, pricing)

    # What came of it.
    trial_rows = read_frame(folders, "trials.jsonl", records.TrialRow, problems, processes=processes)
    trials = trials_frame(trial_rows, campaign_records, ledger)
    campaigns = tell_settings_apart(campaigns_frame(campaign_records, folders, trials, ledger), folders)

    note_lost_costs(roots, folders, problems)
    note_unfinished(campaigns, trials, problems)
    note_commands(roots, problems)
    looks = read_looks(sweep_folders(roots, folders.values()), problems)
    return Sweep(roots, campaigns, trials, ledger, problems, campaign_records, folders, pricing, looks, processes)
