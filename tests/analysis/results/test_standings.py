"""Each strategy beside its setting's reference, and which settings come first."""

from pathlib import Path

import analysis
from analysis.results.standings import Standing, main_standings, settings_by_interest, standings
from tests.analysis.plans import fixed, standard_plans, stochastic
from tests.analysis.sweeps import write_sweep

TAUS = (2.0, 4.0, 8.0)


def found(root: Path) -> list[Standing]:
    comparison = analysis.compare(analysis.load(root))
    return standings(comparison, analysis.verdicts(comparison))


def test_all_of_a_setting_are_held_against_fixed_tau(tmp_path: Path) -> None:
    write_sweep(tmp_path, taus=TAUS, search=3)
    shown = {one.strategy.partition(" (")[0]: one for one in found(tmp_path)}
    assert set(shown) == {"fixed τ=4", "grid", "optuna", "stochastic"}
    assert [name for name, one in shown.items() if one.is_reference] == ["fixed τ=4"]
    assert shown["fixed τ=4"].verdict is None
    for name in ("grid", "optuna", "stochastic"):
        verdict = shown[name].verdict
        assert verdict is not None
        assert (verdict.strategy, verdict.control.partition(" (")[0]) == (name, "fixed τ=4")
    assert [name for name, one in shown.items() if one.is_main] == ["grid"]  # what the primary verdict judges


def test_without_a_fixed_tau_the_baseline_is_the_reference(tmp_path: Path) -> None:
    write_sweep(tmp_path, taus=(2.0, 8.0))
    assert {one.reference for one in found(tmp_path)} == {"stochastic"}


def test_where_nothing_chooses_the_cheap_ones_are_judged(tmp_path: Path) -> None:
    write_sweep(tmp_path, [plan for seed in (0, 1) for plan in (fixed(seed, 4.0), stochastic(seed))])
    assert [one.strategy for one in main_standings(found(tmp_path))] == ["stochastic"]


def test_settings_that_say_most_come_first(tmp_path: Path) -> None:
    common = {"taus": TAUS, "seeds": (0, 1, 2, 3, 4), "noise": 0.0005, "seed_noise": 0.001}
    for setting_id, objective, gain in (("a", "kd", 0.005), ("b", "dkd", 0.0), ("c", "crd", 0.05)):
        top = 0.9 + gain
        plans = standard_plans(
            grid=lambda tau, top=top: top if tau == 8 else 0.9, setting_id=setting_id, objective=objective, **common
        )
        write_sweep(tmp_path, plans)

    shown = found(tmp_path)
    decisions = [one.verdict.decision for one in main_standings(shown) if one.verdict is not None]
    assert decisions == ["worth it", "not worth it", "cannot tell"]
    assert [key[3] for key in settings_by_interest(shown)] == ["crd", "dkd", "kd"]
