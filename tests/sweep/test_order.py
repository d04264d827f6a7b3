"""The order of campaigns: seeds outermost, strategies in turns, whatever their places on the command line."""

import logging
from itertools import groupby
from pathlib import Path

import pytest

from greenkd.campaign.console import Reporter
from greenkd.campaign.progress import read_state
from greenkd.campaign.reading import read_settings
from greenkd.campaign.settings import Settings
from greenkd.campaign.training_context import DataCache
from greenkd.identity import campaign_folder, campaign_id
from greenkd.records import BlockRow, CampaignRecord, LedgerRow, Phase, read_rows
from greenkd.sweep import interleave
from greenkd.sweep import warm_up as warming
from greenkd.sweep.interleave import take_turns
from greenkd.sweep.order import describe_order, groups_in_turns
from greenkd.sweep.warm_up import warm_up
from greenkd.training.stop_signals import StopFlag
from tests.campaigns import SHORT, Campaign, composed, settings

GRID, STOCHASTIC = "temperature=grid temperature.taus=[2,4,8]", "temperature=stochastic"


def planned(root: Path, *lines: str) -> list[tuple[Settings, Path]]:
    """The campaigns of a command, each given by its overrides, in the command line's order."""
    return [
        (settings(root, *line.split()), root / "multirun" / "sweep" / campaign_folder(composed(*SHORT, *line.split())))
        for line in lines
    ]


def shown(groups: list[list[tuple[Settings, Path]]]) -> list[set[str]]:
    return [{f"{each.temperature.name}{each.seed}{each.objective.name}" for each, _ in group} for group in groups]


SEEDS_INNER = tuple(f"{strategy} seed={seed}" for strategy in (GRID, STOCHASTIC) for seed in (0, 1))


def test_strategies_of_a_seed_take_turns_by_default_and_seeds_are_outermost(tmp_path: Path) -> None:
    groups = groups_in_turns(planned(tmp_path, *SEEDS_INNER))
    assert shown(groups) == [{"grid0kd", "stochastic0kd"}, {"grid1kd", "stochastic1kd"}]


@pytest.mark.nightly
def test_each_setting_has_turns_of_its_own_by_default_and_all_have_them_together_where_asked(tmp_path: Path) -> None:
    lines = [f"{line} objective={name}" for line in SEEDS_INNER for name in ("kd", "dkd")]
    groups = shown(groups_in_turns(planned(tmp_path, *lines)))
    assert groups == [{f"grid{seed}{name}", f"stochastic{seed}{name}"} for seed in (0, 1) for name in ("kd", "dkd")]
    together = groups_in_turns(planned(tmp_path, *(f"{line} order=interleaved" for line in lines)))
    assert [len(group) for group in together] == [4, 4]


@pytest.mark.parametrize(
    "lines",
    [
        [GRID],
        [f"{GRID} seed=0", f"{GRID} seed=1"],
        [f"{line} order=sequential" for line in SEEDS_INNER],
        [f"{line} training.parallel_trials=2" for line in SEEDS_INNER],
        [],
    ],
)
def test_campaigns_run_one_after_the_other_where_no_strategies_can_take_turns(tmp_path: Path, lines: list[str]) -> None:
    assert groups_in_turns(planned(tmp_path, *lines)) == []


def sequence(campaigns: list[tuple[Settings, Path]]) -> list[str]:
    """The trainings in the order of their first ledger rows."""
    began: dict[tuple[str, int], str] = {}
    for each, folder in campaigns:
        for row in read_rows(folder / "ledger.jsonl", LedgerRow).rows:
            if row.phase is Phase.STUDENT_TRAINING and row.trial is not None:
                key = f"{each.temperature.name} {each.seed}", row.trial
                began[key] = min(began.get(key, row.started_at), row.started_at)
    return [f"{name} {trial}" for (name, trial), _ in sorted(began.items(), key=lambda item: item[1])]


def test_the_place_in_the_command_line_decides_nothing(tmp_path: Path) -> None:
    sequences = []
    for number, lines in enumerate((SEEDS_INNER, SEEDS_INNER[::-1])):
        # Backwards, seeds too: the block of each seed stays the same.
        campaigns = planned(tmp_path / str(number), *lines)
        records = take_turns(groups_in_turns(campaigns), StopFlag(), DataCache(), Reporter())
        assert all(isinstance(record, CampaignRecord) for record in records.values())
        sequences.append(sequence(campaigns))

    forwards, backwards = sequences
    assert len(forwards) == 8
    assert [seed for seed, _ in groupby(name.split()[1] for name in forwards)] == ["0", "1"]
    by_seed = [[[name for name in names if name.split()[1] == seed] for seed in "01"] for names in sequences]
    assert by_seed[0] == by_seed[1]
    assert backwards == by_seed[1][1] + by_seed[1][0]

    # What was announced is what was run.
    campaigns = planned(tmp_path / "announced", *SEEDS_INNER)
    text = describe_order(campaigns, [read_state(*campaign) for campaign in campaigns])
    assert text is not None
    for seed, names in zip((0, 1), by_seed[0], strict=True):
        turns = [(name, len(list(repeats))) for name, repeats in groupby(name.split()[0] for name in names)]
        words = ", ".join(name if count == 1 else f"{name} × {count}" for name, count in turns)
        assert f"  seed {seed}: {words}" in text.splitlines()


def test_by_default_the_machine_is_measured_once_a_seed_and_never_idles(tmp_path: Path) -> None:
    campaigns = planned(tmp_path, *(f"{line} interleaving.calibration_steps=2" for line in SEEDS_INNER))
    take_turns(groups_in_turns(campaigns), StopFlag(), DataCache(), Reporter())
    rows = read_rows(tmp_path / "multirun" / "sweep" / "blocks.jsonl", BlockRow).rows
    assert [row.block for row in rows] == list(range(6))
    assert [row.calibration_cpu_s is not None for row in rows] == [True, False, False, True, False, False]
    assert all(row.idle_w is None for row in rows)


def test_one_that_breaks_off_unforeseen_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = interleave.Campaign.prepare

    def broken(campaign: interleave.Campaign) -> None:
        if campaign._settings.temperature.name == "grid":
            raise KeyError("nobody foresaw this")
        prepare(campaign)

    monkeypatch.setattr(interleave.Campaign, "prepare", broken)
    campaigns = planned(tmp_path, GRID, STOCHASTIC)
    results = take_turns(groups_in_turns(campaigns), StopFlag(), DataCache(), Reporter())
    grid, stochastic = (results[folder.resolve()] for _, folder in campaigns)
    assert isinstance(grid, KeyError)
    assert isinstance(stochastic, CampaignRecord)


def test_each_campaign_logs_to_its_own_file(tmp_path: Path) -> None:
    campaigns = planned(tmp_path, GRID, STOCHASTIC)
    for _, folder in campaigns:
        folder.mkdir(parents=True)
    handler = logging.FileHandler(campaigns[0][1] / "run.log", encoding="utf-8")  # as Hydra's of the first job
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    try:
        take_turns(groups_in_turns(campaigns), StopFlag(), DataCache(), Reporter())
        assert root.handlers == [handler]
    finally:
        root.handlers = before
        root.setLevel(level)
        handler.close()

    grid, stochastic = ((folder / "run.log").read_text(encoding="utf-8") for _, folder in campaigns)
    assert grid.count("grid seed 0, trial ") == 3
    assert "stochastic" not in grid
    assert stochastic.count("stochastic seed 0, trial 1/1") == 1


def test_the_warm_up_is_in_nobodys_ledger_and_changes_no_result(tmp_path: Path) -> None:
    data = DataCache()
    warm_up(settings(tmp_path, *STOCHASTIC.split()), data, StopFlag())
    assert not list(tmp_path.rglob("*"))  # neither ledger nor teacher nor study
    warm = Campaign(tmp_path / "warm", STOCHASTIC)
    assert warm.record.tests == Campaign(tmp_path / "again", STOCHASTIC).record.tests


def test_a_warm_up_that_fails_leaves_it_to_the_campaign_to_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(warming, "_use_once", fail)
    warm_up(settings(tmp_path), DataCache(), StopFlag())


def test_the_order_is_no_part_of_a_campaigns_identity() -> None:
    ids = {campaign_id(composed(*SHORT, f"order={order}")) for order in ("auto", "sequential", "interleaved")}
    assert len(ids) == 1
    assert read_settings(composed()).order == "auto"
