"""The shipped options of the group `objective`, and what mistakes in them are answered with."""

import inspect
import re
from pathlib import Path

import pytest
import yaml

from greenkd.components import build
from greenkd.errors import ConfigError
from greenkd.objectives import Objective

from .batches import array, ce_mean, make_batch

FOLDER = Path(__file__).parents[2] / "conf" / "objective"
OPTIONS = ["annealing_kd", "crd", "dkd", "dml", "kd", "label_smoothing", "none", "tfkd_reg", "tfkd_self", "ttm"]
DETECTION = ["ssd", "ssd_dml", "ssd_kd", "ssd_reg", "ssd_self"]
VARIANTS = ["crd_alone", "kd_alone", "kd_paper", "ssd_kd_paper", "ssd_kl"]  # other settings of one of these


def option(name: str) -> dict[str, object]:
    values: dict[str, object] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    assert values.pop("name") == name
    return values


def test_every_objective_has_an_option() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == sorted([*OPTIONS, *DETECTION, *VARIANTS])


@pytest.mark.parametrize("name", VARIANTS)
def test_variant_changes_settings_of_an_option(name: str) -> None:
    values: dict[str, object] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    [base, own] = values.pop("defaults")
    assert own == "_self_"
    assert values.pop("name", base) in (base, name)
    assert isinstance(build({**option(base), **values}, where="objective", expect=Objective), Objective)


@pytest.mark.parametrize("name", [*OPTIONS, *DETECTION])
def test_option_names_every_setting_at_its_default(name: str) -> None:
    values = option(name)
    objective = build(values, where="objective", expect=Objective)
    signature = inspect.signature(type(objective)).parameters
    defaults = {key: [] if p.default == () else p.default for key, p in signature.items()}  # YAML has no tuples
    assert {key: value for key, value in values.items() if key != "_target_"} == defaults


@pytest.mark.parametrize("name", [*OPTIONS, *DETECTION])
def test_option_opens_with_its_command(name: str) -> None:
    head = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").split("\nname:")[0].splitlines()
    assert all(line.startswith("#") for line in head)
    command = re.compile(rf"#   python run.py (-m )?(dataset=digit_scenes )?objective={name}\b")
    assert any(command.match(line) for line in head)


@pytest.mark.parametrize(
    ("name", "key", "value", "said"),
    [
        ("kd", "alpha", 1.5, "alpha"),
        ("kd", "alpha", float("nan"), "alpha"),
        ("kd", "reduction", "mean", "element_mean"),
        ("kd", "temperature", 4, "alpha"),
        ("none", "alpha", 0.5, "alpha"),
        ("label_smoothing", "smoothing", -0.1, "smoothing"),
        ("tfkd_reg", "true_class_probability", 0.0, "true_class_probability"),
        ("dkd", "beta", float("inf"), "beta"),
        ("dkd", "warmup_epochs", -1, "warmup_epochs"),
        ("crd", "negatives", 0, "negatives"),
        ("crd", "nce_temperature", 0.0, "nce_temperature"),
        ("crd", "momentum", 1.0, "momentum"),
        ("dml", "kl_weight", -1.0, "kl_weight"),
        ("kd", "taus", [-1.0], "taus.0"),
        ("dkd", "taus", [2.0, 0.0], "taus.1"),
        ("ttm", "kl_weight", -1.0, "kl_weight"),
        ("annealing_kd", "max_tau", 0.5, "max_tau"),
        ("ssd_kd", "alpha", 1.5, "alpha"),
        ("ssd_kd", "soft", "mse", "weighted_ce"),
        ("ssd", "negatives", 0.0, "negatives"),
        ("annealing_kd", "first_phase", 1.5, "first_phase"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(name: str, key: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        build(option(name) | {key: value}, where="objective", expect=Objective)
    assert f"objective.{key}" in str(refused.value)


def test_the_page_s_own_objective_plugs_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (FOLDER.parents[1] / "docs" / "objectives.md").read_text(encoding="utf-8")
    source = page.split("```python\n")[1].split("```")[0]
    (tmp_path / "my_losses.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    objective = build({"_target_": "my_losses.LogitMatching", "weight": 0.5}, where="objective", expect=Objective)
    batch = make_batch()
    assert batch.teacher_logits is not None
    distance = ((array(batch.student_logits) - array(batch.teacher_logits)) ** 2).mean()
    expected = ce_mean(array(batch.student_logits), batch.labels) + 0.5 * distance
    assert objective(batch).item() == pytest.approx(expected)


def test_the_page_names_every_setting_and_its_default() -> None:
    page = (FOLDER.parents[1] / "docs" / "objectives.md").read_text(encoding="utf-8")
    for name in OPTIONS:
        section = page.split(f"\n## `{name}`\n")[1].split("\n## ")[0]
        for key, value in option(name).items():
            if key != "_target_":
                shown = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
                assert f"`{key}`" in section
                assert shown in section, (name, key)
