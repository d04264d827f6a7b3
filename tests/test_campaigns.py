"""The helper that composes configurations for tests composes what Hydra does."""

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException

from greenkd.configuration import register_configuration
from greenkd.identity import plain
from tests.campaigns import ROOT, SHORT, composed


def by_hydra(*overrides: str) -> dict[str, object]:
    register_configuration()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return plain(compose("config", list(overrides)))


@pytest.mark.parametrize(
    "overrides",
    [
        ("seed=3", "experiment=paper_cifar100", "training.epochs=5", "objective=dkd"),
        (*SHORT, "temperature=schedule", "~temperature.schedule", "+temperature.schedule={_target_: Mine, top: 3}"),
    ],
)
def test_options_and_values_one_after_the_other_are_as_composed_by_hydra(overrides: tuple[str, ...]) -> None:
    composed(*overrides)["seed"] = -1  # what is given out is the caller's own
    assert composed(*overrides) == by_hydra(*overrides)
    assert list(composed(*overrides)) == list(by_hydra(*overrides))


def test_a_mistake_is_answered_as_by_hydra() -> None:
    for overrides in (("temperature.hgih=3",), ("~temperature.hgih",), ("+temperature.name=x",)):
        with pytest.raises(ConfigCompositionException) as expected:
            by_hydra(*overrides)
        with pytest.raises(ConfigCompositionException) as refusal:
            composed(*overrides)
        assert str(refusal.value) == str(expected.value)
