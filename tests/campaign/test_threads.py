"""One campaign, one result: whatever runs beside a training, and however many CPUs there are."""

from pathlib import Path

import pytest

from greenkd.errors import ConfigError
from greenkd.identity import campaign_id, setting_id
from greenkd.training.backend import threads
from tests.campaigns import Campaign, composed

# A step that keeps more than one thread busy, and so few of them that it costs no time.
BUSY = (
    "dataset=generated",
    "dataset.num_classes=2",
    "dataset.train_per_class=160",
    "student=small_cnn",
    "student.width=64",
    "training.batch_size=256",
    "temperature=grid",
    "temperature.taus=[2,8]",
)


def losses(campaign: Campaign) -> dict[int, float | None]:
    return {row.trial: row.val_loss for row in campaign.trials}


@pytest.mark.slow
def test_trials_side_by_side_have_the_results_they_have_alone(tmp_path: Path) -> None:
    alone = Campaign(tmp_path / "alone", *BUSY)
    assert alone.record.student_network is not None
    flops = alone.record.student_network.forward_flops_per_image
    assert flops is not None
    assert threads.resolve_threads("auto", flops * 256) == 2
    beside = Campaign(tmp_path / "beside", *BUSY, "training.parallel_trials=2")
    assert losses(beside) == losses(alone)


def test_numbers_of_threads_are_campaigns_of_their_own_and_of_different_settings() -> None:
    ids = {number: campaign_id(composed(f"threads={number}")) for number in ("auto", 1, 2, 3)}
    assert ids["auto"] == ids[1] == campaign_id(composed())
    assert len({ids[1], ids[2], ids[3]}) == 3
    assert setting_id(composed("threads=2")) != setting_id(composed())


def test_a_teacher_and_its_logits_belong_to_their_number_of_threads(tmp_path: Path) -> None:
    def keys(number: int | str) -> tuple[str, str]:
        campaign = Campaign(tmp_path, "temperature=fixed", f"threads={number}")
        assert campaign.record.teacher_result is not None
        (bank,) = set((tmp_path / "cache" / "logits").iterdir()) - seen
        seen.add(bank)
        return campaign.record.teacher_result.key, bank.name

    seen: set[Path] = set()
    assert keys("auto")[0] != keys(2)[0]
    assert len(seen) == 2


def test_a_result_of_another_number_of_threads_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Campaign(tmp_path, "temperature=fixed")
    Campaign(tmp_path, "temperature=fixed", "threads=1")  # for these networks the same number

    monkeypatch.setattr(threads, "FORWARD_FLOPS_PER_THREAD", 1.0)
    refusal = r"was begun with threads=auto, which is 4 for tiny_cnn, not 1: .* give threads=auto, or sweep"
    with pytest.raises(ConfigError, match=refusal):
        Campaign(tmp_path, "temperature=fixed", "threads=1")
