"""What may stand at `temperature.rule`, what mistakes are answered with, and a rule of the user's own."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from greenkd.errors import ConfigError
from greenkd.records import StrategyKind
from greenkd.softening import RuleInputs, Softening
from greenkd.temperature import Fixed, Rule, RuleSetup, Scheduled, Strategy, read_strategy
from greenkd.temperature.rules import RULES, Dynamic, Standardised
from greenkd.temperature.schedules import Constant

from .batches import distillation, kl_by_hand, make_inputs

ROOT = Path(__file__).parents[3]
NAMED = {"ctkd": "learned", "dtkd": "dynamic", "dts": "loss_gap", "lskd": "standardised"}


def strategy(rule: object, kind: str = "Fixed", **settings: Any) -> Strategy:
    return read_strategy({"_target_": f"greenkd.temperature.{kind}", "rule": rule, **settings})


@pytest.mark.parametrize("name", RULES)
def test_a_name_alone_chooses_a_rule(name: str) -> None:
    chosen = strategy(name)
    assert type(chosen.rule) is RULES[name]
    assert chosen.family is (StrategyKind.FIXED if name == "shared" else StrategyKind.ADAPTIVE)


def test_a_mapping_gives_settings_too() -> None:
    rule = strategy({"name": "standardised", "base": 2, "factor": "teacher"}).rule
    assert isinstance(rule, Standardised)
    assert (rule.base, rule.factor, rule.ignores_base_tau) == (2.0, "teacher", True)
    assert rule(make_inputs(tau=9.0)).tau_teacher.tolist() == rule(make_inputs(tau=4.0)).tau_teacher.tolist()


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("Fixed", {}),
        ("Grid", {"taus": [2, 4]}),
        ("OptunaSearch", {}),
        ("Stochastic", {}),
        ("Scheduled", {"schedule": {"_target_": "greenkd.temperature.Annealed", "start": 8, "end": 1}}),
    ],
)
def test_every_strategy_takes_a_rule(kind: str, settings: dict[str, Any]) -> None:
    plain, ruled = strategy("shared", kind, **settings), strategy("dynamic", kind, **settings)
    assert plain.shares_tau
    assert isinstance(ruled.rule, Dynamic)
    assert (plain.family, ruled.family) == (plain.kind, StrategyKind.ADAPTIVE)
    assert read_strategy({"_target_": f"greenkd.temperature.{kind}", **settings}).shares_tau


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("standardized", ["temperature.rule='standardized'", "did you mean standardised?", "per_sample_random"]),
        (None, ["temperature.rule=None", "shared"]),
        (4, ["temperature.rule=4", "shared"]),
        ({"name": "learnt"}, ["temperature.rule.name='learnt'", "did you mean learned?"]),
        ({"base": 2}, ["temperature.rule.name=None"]),
        ({"name": "standardised", "bsae": 2}, ["temperature.rule.bsae", "did you mean temperature.rule.base?"]),
        ({"name": "standardised", "base": -2}, ["temperature.rule.base=-2", "greater than 0"]),
        ({"name": "standardised", "factor": "student"}, ["temperature.rule.factor", "'base' or 'teacher'"]),
        ({"name": "learned", "strength": -1}, ["temperature.rule.strength=-1"]),
        ({"name": "dynamic", "margin": 0.5}, ["temperature.rule.margin=0.5", "less than 0.5"]),
        ({"name": "per_class", "others": 2}, ["temperature.rule.others=2"]),
        ({"name": "loss_gap", "low": 9}, ["temperature.rule", "low=9 must be below high=8"]),
        ({"name": "per_sample_random", "low": 30}, ["temperature.rule", "low=30 must be below high=20"]),
        ({"_target_": "torch.nn.Identity"}, ["temperature.rule", "instance of Rule"]),
        ({"_target_": "nowhere.Rule"}, ["temperature.rule._target_=nowhere.Rule", "PYTHONPATH"]),
    ],
)
def test_a_mistake_is_answered_with_its_cure(rule: object, words: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        strategy(rule)
    assert all(word in str(refused.value) for word in words), refused.value


def test_every_trial_has_a_rule_of_its_own() -> None:
    ctkd = strategy("learned")
    first, second = ctkd.make_rule({}), ctkd.make_rule({})
    next(first.parameters()).data.fill_(7.0)
    assert next(second.parameters()).item() == next(ctkd.rule.parameters()).item() == 1.0


class KnowsNoRules(Strategy):
    """A strategy of the user's own, written before there were rules."""

    def schedule(self, params: object) -> Constant:
        return Constant(tau=3.0)


def test_a_strategy_of_the_user_s_own_need_not_know_rules() -> None:
    target = {"_target_": f"{__name__}.KnowsNoRules"}
    assert read_strategy({**target, "rule": "shared"}).shares_tau
    with pytest.raises(ConfigError, match=r"temperature\.rule is not a setting"):
        read_strategy({**target, "rule": "dynamic"})


class Broken(Rule):
    """Answers as its only setting says."""

    def __init__(self, *, answer: str) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, inputs: RuleInputs) -> Softening:
        tau, column = inputs.tau_student, torch.ones(3, 1)
        answers: dict[str, Any] = {
            "a tensor": tau,
            "a number": Softening(4.0, tau, tau),  # type: ignore[arg-type]
            "a flat vector": Softening(torch.ones(3), tau, tau),
            "zero": Softening(0 * column, tau, tau),
            "nan": Softening(tau, tau, column * float("nan")),
            "a factor per class": Softening(tau, tau, torch.ones(3, 5)),
            "integers": Softening(torch.tensor(4), tau, tau),
        }
        result: Softening = answers[self.answer]  # a KeyError for "an error"
        return result


@pytest.mark.parametrize(
    ("answer", "came"),
    [
        ("a tensor", "returned a Tensor"),
        ("a number", "tau_student is a float"),
        ("a flat vector", "tau_student is of shape [3]"),
        ("zero", "tau_student is [0.0, 0.0, 0.0]"),
        ("nan", "factor is [nan, nan, nan]"),
        ("a factor per class", "factor is of shape [3, 5]"),
        ("integers", "tau_student is of dtype torch.int64"),
        ("an error", "breaks off on logits [3, 5] with KeyError: 'an error'"),
    ],
)
def test_a_rule_that_cannot_soften_is_refused_before_anything_is_trained(answer: str, came: str) -> None:
    with pytest.raises(ConfigError) as refused:
        strategy({"_target_": f"{__name__}.Broken", "answer": answer})
    assert "temperature.rule (Broken)" in str(refused.value)
    assert came in str(refused.value)
    if answer != "an error":
        assert "wanted is greenkd.softening.Softening(tau_student, tau_teacher, factor)" in str(refused.value)


def test_the_page_s_own_rule_plugs_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "temperature.md").read_text(encoding="utf-8")
    (tmp_path / "my_rules.py").write_text(page.split("```python\n")[1].split("```")[0], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    rule = strategy({"_target_": "my_rules.ByEntropy", "strength": 0.5}).make_rule({})
    rule.setup(RuleSetup(num_classes=10, epochs=1, seed=0))
    inputs = make_inputs()
    z, t = inputs.student_logits.detach().numpy(), inputs.teacher_logits.numpy()
    p = torch.softmax(inputs.teacher_logits, 1).numpy()
    tau = 4.0 / (1 + 0.5 * -(p * np.log(p)).sum(axis=1, keepdims=True))
    assert distillation(rule, inputs).item() == pytest.approx(kl_by_hand(z / tau, t / tau, tau**2), rel=1e-9)


def test_the_page_has_a_section_for_every_rule_and_names_its_settings() -> None:
    page = (ROOT / "docs" / "temperature.md").read_text(encoding="utf-8")
    for name, rule in RULES.items():
        section = page.split(f"\n### `{name}`\n")[1].split("\n### ")[0].split("\n## ")[0]
        assert "Source:" in section
        assert "When:" in section
        for setting in inspect.signature(rule).parameters:
            assert f"`{setting}`" in section or f"`{setting}=" in section, (name, setting)


@pytest.mark.parametrize("name", NAMED)
def test_a_strategy_of_the_literature_is_a_file_over_its_rule(name: str) -> None:
    path = ROOT / "conf" / "temperature" / f"{name}.yaml"
    values: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert values.pop("name") == name
    chosen = read_strategy(values)
    assert isinstance(chosen, Fixed)
    assert type(chosen.rule) is RULES[NAMED[name]]


def test_a_schedule_of_the_user_s_own_takes_a_rule() -> None:
    assert Scheduled(Constant(tau=2.0)).shares_tau
    assert not Scheduled(Constant(tau=2.0), Dynamic()).shares_tau
