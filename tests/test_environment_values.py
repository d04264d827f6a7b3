"""`${oc.env:…}` in a setting is the same campaign as its value typed; other text is answered with `oc.decode`."""

import pytest

from greenkd.campaign.reading import read_settings
from greenkd.errors import ConfigError
from greenkd.identity import campaign_folder, campaign_id, plain
from tests.campaigns import compose_job, composed


def from_environment(*overrides: str) -> dict[str, object]:
    return plain(compose_job(*overrides))


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("seed", "3"),
        ("smoke", "true"),
        ("threads", "auto"),
        ("training.epochs", "4"),
        ("training.lr", "1e-3"),
        ("training.milestones", "[1,2]"),
        ("objective.alpha", "0.50"),
        ("training.teacher.seed", "per_seed"),
        ("budget.kwh", "null"),
    ],
)
def test_a_value_of_the_environment_is_the_value_typed(
    monkeypatch: pytest.MonkeyPatch, setting: str, text: str
) -> None:
    monkeypatch.setenv("TEST_VALUE", text)
    given = from_environment(f"{setting}=${{oc.env:TEST_VALUE}}")
    typed = composed(f"{setting}={text}")
    assert given == typed
    assert campaign_folder(given) == campaign_folder(typed)
    assert read_settings(given).campaign_id == campaign_id(typed)


def test_it_is_read_inside_lists_in_what_refers_to_it_and_with_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_VALUE", "6")
    config = from_environment(
        "temperature=grid", "temperature.taus=[2,${oc.env:TEST_VALUE}]", "seed=${oc.env:NOT_SET,5}",
        "training.epochs=${seed}",
    )  # fmt: skip
    assert config["temperature"]["taus"] == [2, 6]  # type: ignore[index]
    assert (config["seed"], config["training"]["epochs"]) == (5, 5)  # type: ignore[index]


@pytest.mark.parametrize("text", ["1.50", "/a b/(c)", "${oc.env:HOME}", ""])
def test_folders_and_names_stay_the_text_that_they_are(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GREENKD_DATA", text)
    assert from_environment()["data_dir"] == text


def test_the_environment_is_not_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRET", "hidden")
    monkeypatch.setenv("TEST_VALUE", "${oc.env:TEST_SECRET}")
    assert from_environment("objective.name=${oc.env:TEST_VALUE}")["objective"]["name"] == "${oc.env:TEST_SECRET}"  # type: ignore[index]


@pytest.mark.parametrize("override", ["seed='3'", "training.milestones='[1,2]'", "smoke='true'"])
def test_text_that_means_something_else_is_answered_with_oc_decode(override: str) -> None:
    with pytest.raises(ConfigError, match=r"this is text: leave its quotes out, or read it by \$\{oc\.decode:"):
        read_settings(composed(override))


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(ConfigError, match="NOT_SET"):
        from_environment("seed=${oc.env:NOT_SET}")
