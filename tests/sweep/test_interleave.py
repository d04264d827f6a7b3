"""Campaigns that take turns: the same results as one after the other, and ledgers that do not mix."""

from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from greenkd.campaign.settings import Settings
from greenkd.campaign.training_context import DataCache
from greenkd.errors import ConfigError, StorageError, TrainingInterruptedError
from greenkd.identity import campaign_folder, campaign_id
from greenkd.records import (
    BlockRow,
    CampaignRecord,
    CampaignStatus,
    LedgerRow,
    Phase,
    TrialRow,
    read_campaign,
    read_rows,
)
from greenkd.sweep import machine
from greenkd.sweep.interleave import draw_blocks, take_turns
from greenkd.training.stop_signals import StopFlag
from tests.campaigns import SHORT, Campaign, composed, settings

STRATEGIES = (("temperature=grid", "temperature.taus=[2,4,8]"), ("temperature=stochastic",))
TURNS = ("order=interleaved", "interleaving.idle_s=0.05", "interleaving.calibration_steps=3")


def planned(root: Path, *extra: str) -> list[tuple[Settings, Path]]:
    return [
        (
            settings(root, *TURNS, *strategy, *extra),
            root / "multirun" / "sweep" / campaign_folder(composed(*SHORT, *strategy, *extra)),
        )
        for strategy in STRATEGIES
    ]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("turns")
    outcomes = take_turns(planned(root), StopFlag(), DataCache())
    assert all(isinstance(each, CampaignRecord) for each in outcomes.values())
    return root


def ledger(path: Path) -> list[LedgerRow]:
    return read_rows(path, LedgerRow).rows


def test_results_are_those_of_campaigns_one_after_the_other(sweep: Path, tmp_path: Path) -> None:
    for (_, folder), strategy in zip(planned(sweep), STRATEGIES, strict=True):
        alone = Campaign(tmp_path, *strategy)
        record = read_campaign(folder / "campaign.json")
        assert record.campaign_id == alone.record.campaign_id
        assert record.status is CampaignStatus.DONE
        assert record.tests == alone.record.tests
        rows = read_rows(folder / "trials.jsonl", TrialRow).rows
        assert [(row.trial, row.val_loss) for row in rows] == [(row.trial, row.val_loss) for row in alone.trials]


def test_turns_are_in_nobody_elses_ledger(sweep: Path) -> None:
    (_, grid), (_, stochastic) = planned(sweep)
    spans = []
    for folder in (grid, stochastic):
        rows = ledger(folder / "ledger.jsonl")
        assert {row.campaign_id for row in rows} == {read_campaign(folder / "campaign.json").campaign_id}
        spans.append(sum(row.duration_s for row in rows))
    rows = ledger(sweep / "multirun" / "sweep" / "calibration.jsonl")
    assert {row.phase for row in rows} == {Phase.IDLE, Phase.CALIBRATION, Phase.OVERHEAD}
    caches = [row for path in (sweep / "cache").glob("*/*/ledger.jsonl") for row in ledger(path)]
    whole = sum(spans) + sum(row.duration_s for row in [*rows, *caches])
    every = [*rows, *caches, *ledger(grid / "ledger.jsonl"), *ledger(stochastic / "ledger.jsonl")]
    first = min(row.started_at for row in every)
    # If a campaign counted while another had its turn, the ledgers together would exceed the time there was.
    ended = max(path.stat().st_mtime for path in (grid / "ledger.jsonl", stochastic / "ledger.jsonl"))

    assert whole <= (ended - datetime.fromisoformat(first).timestamp()) * 1.02


def test_blocks_are_on_record(sweep: Path) -> None:
    rows = read_rows(sweep / "multirun" / "sweep" / "blocks.jsonl", BlockRow).rows
    turns = Counter(name for row in rows for name in row.strategies)
    assert turns == {"grid seed 0": 3, "stochastic seed 0": 1}
    assert [row.block for row in rows] == [0, 1, 2]
    assert rows[0].drift == 0.0
    assert all(row.idle_w is not None and row.calibration_cpu_s is not None for row in rows)


def test_drift_is_flagged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = iter([3, 60, 60])  # the machine seems to take twenty times as long from the second block on
    run = machine.FixedWork.run

    def slower(self: machine.FixedWork, count: int) -> int:
        return run(self, next(steps) if count == 3 else count)

    monkeypatch.setattr(machine.FixedWork, "run", slower)
    take_turns(planned(tmp_path), StopFlag(), DataCache())
    rows = read_rows(tmp_path / "multirun" / "sweep" / "blocks.jsonl", BlockRow).rows
    assert [row.drifted for row in rows] == [False, True, True]


def test_one_that_cannot_go_on_stops_no_other(tmp_path: Path) -> None:
    campaigns = planned(tmp_path)
    campaigns[0][1].parent.mkdir(parents=True)
    campaigns[0][1].write_text("a file where the folder should be")
    outcomes = take_turns(campaigns, StopFlag(), DataCache())
    first, second = (outcomes[folder.resolve()] for _, folder in campaigns)
    assert isinstance(first, StorageError)
    assert isinstance(second, CampaignRecord)
    assert second.status is CampaignStatus.DONE


def test_a_stop_ends_all_and_the_same_command_goes_on(tmp_path: Path, sweep: Path) -> None:
    class StopLater(StopFlag):
        def __init__(self, checks: int) -> None:
            super().__init__()
            self._left = checks

        def check(self) -> None:
            self._left -= 1
            if self._left == 0:
                self.set("SIGTERM")
            super().check()

    with pytest.raises(TrainingInterruptedError):
        take_turns(planned(tmp_path), StopLater(60), DataCache())
    outcomes = take_turns(planned(tmp_path), StopFlag(), DataCache())
    for (_, folder), (_, whole) in zip(planned(tmp_path), planned(sweep), strict=True):
        record = outcomes[folder.resolve()]
        assert isinstance(record, CampaignRecord)
        assert record.tests == read_campaign(whole / "campaign.json").tests


def test_every_campaign_gets_its_turns_in_blocks_of_a_seed() -> None:
    blocks = draw_blocks([19, 1, 1], 7)
    assert blocks == draw_blocks([19, 1, 1], 7)
    assert len(blocks) == 19
    assert Counter(number for block in blocks for number in block) == {0: 19, 1: 1, 2: 1}
    firsts = {
        tuple(index for index, block in enumerate(draw_blocks([19, 1], seed)) if 1 in block) for seed in range(40)
    }
    assert len(firsts) > 10  # the one training is not always the first
    assert draw_blocks([], 0) == []


def test_the_schedule_is_no_part_of_a_campaigns_identity() -> None:
    assert campaign_id(composed(*SHORT)) == campaign_id(composed(*SHORT, *TURNS))


@pytest.mark.parametrize("override", ["order=random", "interleaving.idle_s=-1", "interleaving.calibration_steps=x"])
def test_mistakes_are_named(tmp_path: Path, override: str) -> None:
    with pytest.raises(ConfigError, match=override.partition("=")[0]):
        settings(tmp_path, override)
