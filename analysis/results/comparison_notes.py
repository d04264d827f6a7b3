"""What has to be said below a comparison: what is missing, where rows come from, what may be compared."""

import math
from typing import Any

import pandas as pd

from analysis import units
from analysis.frames.groupby import groups, joined, rows_of
from analysis.results.paired_tests import ratio_interval, ratio_of_means
from analysis.results.spending import constant_share
from greenkd.records import Source, TauSource, add_costs

# The costs that a conclusion rests on where no sensor could be read.
_ENDPOINTS = {"cpu_s": "CPU seconds", "flops": "FLOPs"}


def setting_notes(
    setting: pd.DataFrame, references: dict[str, str | None], *, baseline: str, mix_meters: bool
) -> list[str]:
    """Returns the notes of one setting, the most general ones first.

    Args:
        setting: The setting's rows of the runs frame.
        references: The labels that multiples refer to, under "baseline" and "fixed"; None where there is none.
        baseline: What was asked for as baseline, a label or a kind.
        mix_meters: Whether rows of different meters were set in one ratio all the same.
    """
    return [
        *_on_references(setting, references, baseline),
        *_on_searched_settings(setting),
        *_on_transferred_taus(setting),
        *_on_missing_seeds(setting),
        *_on_unfinished_runs(setting),
        *_on_different_meters(setting, mix_meters=mix_meters),
        *_on_endpoints(setting, references["baseline"]),
        *_on_different_machines(setting),
    ]


def _on_references(setting: pd.DataFrame, references: dict[str, str | None], baseline: str) -> list[str]:
    notes = []
    if references["baseline"] is None:
        labels = ", ".join(sorted(set(setting["strategy"])))
        notes.append(f"no campaign of {baseline!r} here, so no multiples of it; there are: {labels}")

    if references["fixed"] is None:
        notes.append(
            "no fixed-τ control: nothing was trained at τ=4, the usual one, and no other is taken for it; add "
            "temperature=fixed to the command (one training per seed, nothing else is trained again)"
        )
    elif (setting["origin"] == "from grid").any():
        of_one_trial = (setting["origin"] == "campaign") & (setting["planned_trials"] == 1)
        overhead = "without any overhead"
        if of_one_trial.any():
            overhead = "with the overhead of a campaign of one trial, as measured here"
        notes.append(f"the fixed-τ row is one trial of the grid: its cost is that training's, {overhead}")

    if (setting["origin"] == "swept").any():
        notes.append("grid (swept): `fixed` campaigns that differ in τ only, their costs added up, logits paid once")
    return notes


def _on_searched_settings(setting: pd.DataFrame) -> list[str]:
    """Returns what strategies searched besides τ, and which trainings of theirs differ from others in τ alone."""
    notes = []
    is_searched = setting["searched"].astype(bool)
    for row in rows_of(setting.loc[is_searched, ["strategy", "searched"]].drop_duplicates("strategy")):
        own = ", ".join(f"{key}={value}" for key, value in row["searched"].items())
        notes.append(
            f"{row['strategy']}: {' and '.join(row['searched'])} chosen with τ; all other strategies have {own}, and "
            "only trainings with that count as trainings at a fixed τ"
        )
    return notes


def _on_transferred_taus(setting: pd.DataFrame) -> list[str]:
    """Returns which earlier searches τ was taken from, and what these cost."""
    notes = []
    for (label,), runs in groups(setting[setting["tau_source"].notna()], ["strategy"]):
        once: dict[str, TauSource] = {source.campaign_id: source for source in runs["tau_source"]}
        sources = list(once.values())
        places = {
            f"{source.strategy} of {source.dataset}, {source.teacher} → {source.student}, {source.objective} (sweep "
            f"{source.sweep})"
            for source in sources
        }
        costs = add_costs(source.costs for source in sources)
        of_one_meter = len({source.metered_by for source in sources}) == 1
        energy_wh = math.nan if costs.energy_kwh is None or not of_one_meter else 1e3 * costs.energy_kwh
        cpu_s = math.nan if costs.cpu_s is None else costs.cpu_s
        trainings = sum(source.trainings for source in sources)
        notes.append(
            f"{label}: τ was chosen by {joined(places)}; its {trainings} trainings took "
            f"{units.figure(energy_wh)} Wh and {units.figure(cpu_s)} CPU s, which are in no cost here"
        )
    return notes


def _on_missing_seeds(setting: pd.DataFrame) -> list[str]:
    seeds_of: dict[str, set[int]] = {label: set() for label in sorted(setting["strategy"].unique())}
    for label, seed in zip(setting["strategy"], setting["seed"], strict=True):
        seeds_of[label].add(seed)
    all_seeds = set.union(*seeds_of.values())
    return [
        f"{label}: no seed {', '.join(str(seed) for seed in sorted(all_seeds - seeds))}"
        for label, seeds in seeds_of.items()
        if seeds != all_seeds
    ]


def _on_unfinished_runs(setting: pd.DataFrame) -> list[str]:
    notes = []
    names = ["strategy", "seed", "complete_trials", "planned_trials", "test_score"]
    for row in rows_of(setting.loc[~setting["complete"].astype(bool), names]):
        test = "" if not math.isnan(row["test_score"]) else ", test not opened yet"
        count = f"{row['complete_trials']} of {row['planned_trials']} trials complete"
        notes.append(f"{row['strategy']}, seed {row['seed']}: {count}{test}")
    return notes


def _on_different_meters(setting: pd.DataFrame, *, mix_meters: bool) -> list[str]:
    if setting["meter"].nunique() > 1:
        outcome = "compared all the same (--mix-meters)" if mix_meters else "not compared (--mix-meters compares them)"
        return [f"rows come from different meters or methods: their energy is {outcome}"]
    if setting["carbon"].nunique() > 1:
        return ["rows use different PUE or carbon intensity: their grams are not compared; re-price them"]
    return []


def _on_endpoints(setting: pd.DataFrame, baseline: str | None) -> list[str]:
    """Returns what to rest a conclusion on where no sensor could be read, and the ratios of it."""
    if setting["meter"].str.contains(Source.MEASURED.value).any():
        return []

    notes = ["no energy sensor was read: CPU seconds and FLOPs are the primary endpoint, joules follow a model"]
    energy, constant = (_total_of(setting, name) for name in ("energy_kwh", "constant_kwh"))
    share = constant_share(energy, constant)
    if share > 0:
        notes.append(
            f"{100 * share:.0f} % of these joules are a constant wattage (such as CodeCarbon's for memory) × "
            "wall-clock time: they grow while a machine waits, and stand in no multiple"
        )

    return [*notes, *_on_ratios(setting, baseline)]


def _on_ratios(setting: pd.DataFrame, baseline: str | None) -> list[str]:
    """Returns how sure the multiples of each endpoint are: a note per endpoint, strategy by strategy."""
    runs_of: dict[str, list[dict[str, Any]]] = {}
    for run in rows_of(setting[["strategy", "seed", *(f"tuning_{name}" for name in _ENDPOINTS)]]):
        runs_of.setdefault(run["strategy"], []).append(run)
    baseline_of_seed = {run["seed"]: run for run in runs_of.pop(baseline or "", [])}
    pairs_of = {
        label: [(run, baseline_of_seed[run["seed"]]) for run in runs if run["seed"] in baseline_of_seed]
        for label, runs in runs_of.items()
    }

    notes = []
    for name, unit in _ENDPOINTS.items():
        ratios = {label: text for label, pairs in pairs_of.items() if (text := _ratio_text(pairs, name))}
        counts = sorted({len(pairs_of[label]) for label in ratios})
        if ratios:
            few, many = counts[0], counts[-1]
            span = f"{few} to {many}" if few < many else f"{many}"
            seeds = "1 seed" if many == 1 else f"{span} paired seeds (95 % bootstrap interval)"
            said = "; ".join(f"{label} {text}" for label, text in ratios.items())
            notes.append(f"{unit} over those of {baseline}, {seeds}: {said}")
    return notes


def _ratio_text(pairs: list[tuple[dict[str, Any], dict[str, Any]]], name: str) -> str:
    """Returns the ratio of a cost over paired runs, with its interval where it has a width; empty where unknown."""
    costs = [(run[f"tuning_{name}"], other[f"tuning_{name}"]) for run, other in pairs]
    ratio = ratio_of_means(costs)
    if math.isnan(ratio):
        return ""

    ends = [f"{end:.3g}" for end in ratio_interval(costs)]
    interval = "" if "nan" in ends or ends[0] == ends[1] else f" ({' to '.join(ends)})"
    return f"{ratio:.3g}×{interval}"


def _total_of(setting: pd.DataFrame, cost: str) -> float:
    """Returns what all runs of a setting spent on choosing τ; NaN where a part is missing."""
    return float(setting[f"tuning_{cost}"].sum(skipna=False))


def _on_different_machines(setting: pd.DataFrame) -> list[str]:
    if setting["processor"].nunique() > 1:
        return [f"rows come from different machines: {joined(setting['processor'])}"]
    return []
