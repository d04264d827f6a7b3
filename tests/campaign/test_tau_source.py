"""`temperature=transfer`: the τ of an earlier search elsewhere, taken once, kept, and not charged."""

import dataclasses
import logging
from pathlib import Path

import pytest

from greenkd.campaign.tau_source import with_tau_source
from greenkd.errors import ConfigError, TrainingInterruptedError
from greenkd.identity import campaign_id
from greenkd.records import CampaignStatus, LedgerRow, Phase, StrategyKind, read_campaign, read_rows, write_campaign
from tests.campaigns import Campaign, StopAfter, composed, settings

PAIR = ("student.width=5",)  # another pair than that of `settings`
GRID = ("temperature=grid", "temperature.taus=[2,8]")


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return Campaign(tmp_path_factory.mktemp("search"), *GRID, *PAIR)


def transfer(source: Path) -> tuple[str, ...]:
    return "temperature=transfer", f"temperature.source={source}"


def sweep_of(campaign: Campaign) -> Path:
    return campaign.folder.parents[4]


def change(folder: Path, **changes: object) -> None:
    path = folder / "campaign.json"
    write_campaign(path, dataclasses.replace(read_campaign(path), **changes))  # type: ignore[arg-type]


def refusal(root: Path, source: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as refused:
        with_tau_source(settings(root, *transfer(source), *overrides), root / "new")
    return str(refused.value)


def test_it_is_one_training_at_the_tau_that_was_chosen_there(search: Campaign, tmp_path: Path) -> None:
    assert search.record.chosen_params is not None
    tau = search.record.chosen_params["tau"]
    moved = Campaign(tmp_path / "moved", *transfer(sweep_of(search)), "threads=1")
    fixed = Campaign(tmp_path / "fixed", "temperature=fixed", f"temperature.tau={tau}", "threads=1")

    assert moved.record.kind is StrategyKind.TRANSFER
    assert moved.record.chosen_params == {"tau": tau}
    assert [row.val_loss for row in moved.trials] == [row.val_loss for row in fixed.trials]
    assert moved.record.tests == fixed.record.tests

    # What it took from where is on record, with what that search's trainings cost.
    source = moved.record.tau_source
    assert source is not None
    assert (source.campaign_id, source.student, source.trainings) == (search.record.campaign_id, "tiny_cnn", 2)
    ledger = read_rows(search.folder / "ledger.jsonl", LedgerRow).rows
    spent = [row.energy_kwh for row in ledger if row.phase in (Phase.STUDENT_TRAINING, Phase.VALIDATION)]
    assert source.costs.energy_kwh == pytest.approx(sum(kwh or 0.0 for kwh in spent))


def test_a_campaign_keeps_the_tau_that_it_was_begun_with(
    search: Campaign, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = _copied(search, tmp_path / "source")
    with pytest.raises(TrainingInterruptedError):
        Campaign(tmp_path, *transfer(source), stop=StopAfter(12))
    begun = search.record.chosen_params
    assert begun is not None

    # The source chooses another τ now: said, and nothing changes.
    other = {"tau": 10.0 - float(begun["tau"])}
    (folder,) = [path.parent for path in source.rglob("campaign.json")]
    change(folder, chosen_params=other)
    with caplog.at_level(logging.WARNING):
        resumed = Campaign(tmp_path, *transfer(source))
    assert resumed.record.chosen_params == begun
    assert resumed.record.status is CampaignStatus.DONE
    assert "keeps it" in caplog.text

    # Without the source it is still the same campaign.
    (folder / "campaign.json").unlink()
    assert Campaign(tmp_path, *transfer(source)).record == resumed.record


def test_what_was_searched_with_tau_is_taken_too(tmp_path: Path) -> None:
    search = Campaign(tmp_path, *GRID, *PAIR, "temperature.search={objective.alpha: [0.1, 0.2]}")
    moved = Campaign(tmp_path, *transfer(sweep_of(search)), "sweep=moved")
    assert moved.record.chosen_params == search.record.chosen_params
    assert moved.record.searched == {"objective.alpha": 0.9}
    assert "chose objective.alpha" in refusal(tmp_path, sweep_of(search), "objective=crd")


def test_seeds_take_the_search_of_their_own_seed_or_the_only_one(search: Campaign, tmp_path: Path) -> None:
    source = _copied(search, tmp_path / "source")
    only = with_tau_source(settings(tmp_path, *transfer(source), "seed=7"), tmp_path / "new")
    assert only.tau_source is not None
    assert only.tau_source.seed == 0

    (folder,) = [path.parent for path in source.rglob("campaign.json")]
    _copied_to(folder, folder.with_name("seed1"))
    change(folder.with_name("seed1"), seed=1, chosen_params={"tau": 3.0})
    own = with_tau_source(settings(tmp_path, *transfer(source), "seed=1"), tmp_path / "new")
    assert own.strategy.queue() == [{"tau": 3.0}]
    assert "of the seeds 0, 1" in refusal(tmp_path, source, "seed=7")


def test_sources_that_do_not_fit_are_refused_with_the_cure(search: Campaign, tmp_path: Path) -> None:
    assert "temperature.source=multirun/<sweep>" in _unset()
    assert "there is no such folder" in refusal(tmp_path, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "holds no search; run one first" in refusal(tmp_path, tmp_path / "empty")
    assert "this very setting" in refusal(tmp_path, sweep_of(search), *PAIR)
    assert "give the same rule" in refusal(tmp_path, sweep_of(search), "temperature.rule=standardised")

    source = _copied(search, tmp_path / "source")
    (folder,) = [path.parent for path in source.rglob("campaign.json")]
    change(folder, status=CampaignStatus.RUNNING)
    assert "is no finished search; run its command again" in refusal(tmp_path, source)

    change(folder, status=CampaignStatus.DONE)
    _copied_to(folder, source / "another" / "seed0")
    change(source / "another" / "seed0", strategy="optuna")
    assert f"holds several searches; name one of {source / 'another'}" in refusal(tmp_path, source)


def test_the_source_is_a_part_of_the_campaigns_identity() -> None:
    one, other = (composed(*transfer(Path(name))) for name in ("a", "b"))
    assert campaign_id(one) != campaign_id(other)


def _unset() -> str:
    with pytest.raises(ConfigError) as refused:
        settings(Path(), "temperature=transfer")
    return str(refused.value)


def _copied(campaign: Campaign, root: Path) -> Path:
    _copied_to(campaign.folder, root / campaign.folder.name)
    return root


def _copied_to(folder: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for name in ("campaign.json", "config.yaml", "ledger.jsonl"):
        (target / name).write_bytes((folder / name).read_bytes())
