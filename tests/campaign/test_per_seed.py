"""`per_seed`: the split, and the teacher's training, follow the campaign's seed."""

from pathlib import Path

import pytest

from greenkd.campaign.training_context import DataCache
from greenkd.errors import ConfigError
from greenkd.identity import campaign_id, held_fixed, setting_id
from greenkd.records import read_campaign
from tests.campaigns import SHORT, Campaign, composed, settings

FOLLOWING = ("dataset.split_seed=per_seed", "training.teacher.seed=per_seed", "temperature=fixed")


def test_a_campaign_is_the_one_whose_seeds_are_written_out(tmp_path: Path) -> None:
    following = Campaign(tmp_path, *FOLLOWING, "seed=3")
    written = Campaign(tmp_path, "dataset.split_seed=3", "training.teacher.seed=3", "temperature=fixed", "seed=3")
    assert following.settings.campaign_id != written.settings.campaign_id
    assert following.record.tests == written.record.tests
    assert following.trials[0].val_loss == written.trials[0].val_loss

    # One teacher and one stream of logits in the cache: the second campaign has paid for neither.
    assert following.record.teacher_result == written.record.teacher_result
    assert written.record.teacher_paid is None
    assert written.record.logits_paid is None
    assert following.record.held_fixed == ()
    assert read_campaign(written.folder / "campaign.json").held_fixed == ("split", "teacher")


def test_every_seed_has_a_split_and_a_teacher_of_its_own(tmp_path: Path) -> None:
    one, other = (Campaign(tmp_path, *FOLLOWING, f"seed={seed}") for seed in (1, 2))
    assert one.settings.setting_id == other.settings.setting_id
    keys = {campaign.record.teacher_result.key for campaign in (one, other) if campaign.record.teacher_result}
    assert len(keys) == 2
    assert len(list((tmp_path / "cache" / "logits").iterdir())) == 2


def test_a_data_set_in_memory_is_split_anew_for_each_seed(tmp_path: Path) -> None:
    cache = DataCache()
    (first, data), (second, same) = (cache.load(settings(tmp_path, *FOLLOWING, f"seed={seed}")) for seed in (1, 2))
    assert data is same, "it is read once"
    assert (first.split_seed, second.split_seed) == (1, 2)


def test_ids_of_what_existed_before_are_those_of_version_0_1() -> None:
    # From tests/records/written_by_0_1.
    overrides = ("energy=cpu_time", "training.epochs=6", "training.teacher.epochs=3", "training.batch_size=64")
    overrides = (*overrides, "student.width=8", "teacher.width=8", "temperature=grid_coarse")
    assert campaign_id(composed(*overrides)) == "a6e92df57f"


def test_the_word_is_part_of_the_setting_and_the_seed_is_not() -> None:
    plain, one, two = (composed(*SHORT), composed(*SHORT, *FOLLOWING, "seed=1"), composed(*SHORT, *FOLLOWING, "seed=2"))
    assert setting_id(one) == setting_id(two) != setting_id(plain)
    assert campaign_id(one) != campaign_id(two)


@pytest.mark.parametrize(
    ("overrides", "teacher", "fixed"),
    [
        ((), "teacher", ("split", "teacher")),
        ((), None, ("split",)),
        (("training.teacher.seed=per_seed",), "teacher", ("split",)),
        (("training.teacher.seed=per_seed", "+teacher.weights=w.safetensors"), "teacher", ("split", "teacher")),
        # A teacher is trained on its seed's split: it is another one for each.
        (("dataset.split_seed=per_seed",), "teacher", ()),
        (("dataset.split_seed=per_seed", "+teacher.weights=w.safetensors"), "teacher", ("teacher",)),
    ],
)
def test_what_is_held_fixed_follows_from_the_configuration(
    overrides: tuple[str, ...], teacher: str | None, fixed: tuple[str, ...]
) -> None:
    assert held_fixed(composed(*overrides), teacher) == fixed


@pytest.mark.parametrize("key", ["dataset.split_seed", "training.teacher.seed"])
@pytest.mark.parametrize("value", ["per_sed", "1.5", "null"])
def test_other_words_are_refused_with_what_is_allowed(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"{key}=.*give a whole number, or per_seed"):
        settings(tmp_path, f"{key}={value}")


def test_a_seed_that_is_none_is_named_itself(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^seed='x'"):
        settings(tmp_path, *FOLLOWING, "seed=x")
