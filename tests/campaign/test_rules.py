"""Campaigns under a rule: the same to the last bit however they are run, what is refused, and what is recorded."""

import dataclasses
import itertools
import json
from pathlib import Path

import pytest
import torch

from greenkd.campaign.campaign import Campaign as RunningCampaign
from greenkd.campaign.console import Reporter
from greenkd.campaign.workers.run import run_worker
from greenkd.energy import open_monitor
from greenkd.errors import ConfigError, NoTemperatureError, TrainingInterruptedError
from greenkd.identity import campaign_folder, campaign_id
from greenkd.records import EpochRow, LedgerRow, StepsRow, StrategyKind, TrialStatus, read_rows
from greenkd.sweep.repeats import read_without_repeats
from greenkd.temperature.rules import RULES, Learned, PerSampleRandom
from greenkd.training.learner import Learner
from greenkd.training.safetensors_io import load_tensors
from greenkd.training.stop_signals import StopFlag
from tests.campaigns import Campaign, StopAfter, composed, settings

GRID = ("temperature=grid", "temperature.taus=[2,8]")
CHOICES = {
    "standardised": (*GRID, "temperature.rule=standardised"),
    "dynamic": (*GRID, "temperature.rule=dynamic"),
    "learned": (*GRID, "temperature.rule={name: learned, curriculum_epochs: 2}"),
    "per_class": (*GRID, "temperature.rule=per_class"),
    "per_sample_random": ("temperature=stochastic", "temperature.rule=per_sample_random"),
    "loss_gap": (*GRID, "temperature.rule={name: loss_gap, high: 30}"),
}
ANOTHER_WAY = ("training.bank=false", "training.parallel_mode=lockstep", "training.parallel_trials=2", "threads=1")


def results(campaign: Campaign) -> tuple[object, ...]:
    """What has to be equal to the last bit."""
    weights, _ = load_tensors(campaign.folder / "student.safetensors")
    epochs = {
        (row.trial, row.epoch): (row.train_loss, row.val_loss, row.tau_mean, row.tau_sd) for row in campaign.epochs
    }
    steps = {(row.trial, row.epoch): (row.taus, row.tau_sds, row.losses) for row in campaign.steps}
    bits = {name: tensor.reshape(-1).view(torch.uint8).tolist() for name, tensor in weights.items()}
    return epochs, steps, campaign.record.tests, bits


def shared_with_a_worker(root: Path, *overrides: str) -> Campaign:
    """Runs a campaign's first trial as its own process does, and the others as a worker beside it does."""
    config, folder = settings(root, *overrides), root / "multirun" / campaign_folder(settings(root, *overrides).config)
    with RunningCampaign(config, folder, StopFlag(), Reporter()) as campaign:
        campaign.prepare()
        assert campaign.run_next_trial()

        ledger = folder / "worker.jsonl"  # its process would write to the campaign's, beside it
        with open_monitor(config.energy.mapping, campaign_id=config.campaign_id, ledger=ledger) as monitor:
            run_worker(config, folder, StopFlag(), Reporter(), monitor, {})
        assert read_rows(ledger, LedgerRow).rows

        assert not campaign.run_next_trial()
        campaign.finish()
    return Campaign(root, *overrides)


def test_there_is_a_campaign_of_every_rule() -> None:
    assert {*CHOICES, "shared"} == RULES.keys()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=() if name in ("learned", "per_sample_random", "standardised") else pytest.mark.nightly
        )
        for name in CHOICES
    ],
)
def test_a_campaign_under_a_rule_is_the_same_however_it_is_run(name: str, tmp_path: Path) -> None:
    whole = Campaign(tmp_path / "whole", *CHOICES[name], "threads=1")
    assert whole.record.kind is StrategyKind.ADAPTIVE
    assert all(row.tau_mean is not None and row.tau_sd is not None for row in whole.epochs)

    # The teacher asked at every step, trials in lockstep
    assert results(Campaign(tmp_path / "another", *CHOICES[name], *ANOTHER_WAY)) == results(whole)

    # The first trial by the campaign's own process, the second by a worker
    if len(whole.settings.strategy.queue()) > 1:
        assert results(shared_with_a_worker(tmp_path / "shared", *CHOICES[name], "threads=1")) == results(whole)

    # Stopped amid an epoch, and gone on from the checkpoint
    with pytest.raises(TrainingInterruptedError):
        Campaign(tmp_path / "stopped", *CHOICES[name], "threads=1", stop=StopAfter(24))
    resumed = Campaign(tmp_path / "stopped", *CHOICES[name], "threads=1")
    assert resumed.trials[0].status is TrialStatus.INTERRUPTED
    assert results(resumed) == results(whole)


def test_the_shared_rule_is_the_campaign_without_rules(tmp_path: Path) -> None:
    named = Campaign(tmp_path / "named", *GRID, "temperature.rule={name: shared}")
    assert results(named) == results(Campaign(tmp_path / "plain", *GRID))
    assert named.record.kind is StrategyKind.GRID
    assert all(row.tau_sd is None for row in named.epochs)
    assert not named.steps


def test_recorded_temperatures_are_those_that_were_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, torch.Tensor]] = []
    step = Learner.step

    def watched(self: Learner, epoch: int, number: int, batch: object, *rest: object) -> object:
        seen.append((epoch, batch.indices.clone()))  # type: ignore[attr-defined]
        return step(self, epoch, number, batch, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Learner, "step", watched)
    overrides = ("temperature=stochastic", "temperature.low=3", "temperature.high=6", "seed=5")
    campaign = Campaign(tmp_path, *overrides, "temperature.rule=per_sample_random")

    rule = campaign.settings.strategy.make_rule({})
    assert isinstance(rule, PerSampleRandom)
    rule._seed, rule.range = 5, campaign.settings.strategy.tau_range()  # type: ignore[assignment]
    steps = len(campaign.steps[0].taus)
    trained = seen[-2 * steps :]  # the teacher's steps come before
    for row in campaign.steps:
        drawn = [rule.draw(indices, epoch).double().numpy() for epoch, indices in trained if epoch == row.epoch]
        assert row.taus == pytest.approx([taus.mean() for taus in drawn], rel=1e-5)
        assert row.tau_sds == pytest.approx([taus.std() for taus in drawn], rel=1e-5)
        epoch = campaign.epochs[row.epoch]
        assert epoch.tau_mean == pytest.approx(sum(row.taus) / steps, rel=1e-5)
        assert epoch.tau_sd == pytest.approx(sum(row.tau_sds or ()) / steps, rel=1e-5)


def test_theta_is_trained_by_the_student_s_optimiser(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, "temperature=ctkd", "temperature.rule.curriculum_epochs=0", "training.weight_decay=0")
    taus = list(itertools.chain.from_iterable(row.taus for row in campaign.steps))
    assert taus[0] == pytest.approx(15.621, rel=1e-6)
    assert len(set(taus)) > len(taus) / 2
    rule = campaign.settings.strategy.rule
    assert isinstance(rule, Learned)
    assert rule.theta.item() == 1.0, "the strategy's own stays as it is"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("temperature=fixed", "temperature.rule=standardized"), ["temperature.rule", "did you mean standardised?"]),
        (("objective=ttm", "temperature=lskd"), ["objective=ttm takes no rule", "softens the teacher alone"]),
        (("objective=tfkd_reg", "temperature=dtkd"), ["objective=tfkd_reg takes no rule", "no logits"]),
        (("objective=annealing_kd", "temperature=ctkd"), ["objective=annealing_kd takes no rule"]),
        ((*GRID, "temperature.rule=per_sample_random"), ["sets τ itself", "grid", "2 times", "temperature=fixed"]),
        ((*GRID, "temperature.rule={name: standardised, base: 2}"), ["sets τ itself", "2 times"]),
        (
            ("temperature=fixed", "temperature.rule=per_sample_random", "objective.taus=[2,3,4]"),
            ["sets τ itself", "objective.taus", "3 times"],
        ),
        ((*GRID, "objective.taus=[2,3]"), ["has no temperature", "temperature=fixed"]),
    ],
)
def test_what_cannot_act_is_refused_before_anything_is_trained(
    overrides: tuple[str, ...], words: list[str], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as refused:
        settings(tmp_path, *overrides)
    assert all(word in str(refused.value) for word in words), refused.value


def test_a_rule_where_there_is_no_temperature_is_left_out_of_a_sweep() -> None:
    base = composed("objective=none", "temperature=fixed")
    ruled = composed("objective=none", "temperature=lskd")
    kept = read_without_repeats([ruled, base])
    assert [job is not None for job in kept] == [False, True]
    with pytest.raises(NoTemperatureError, match="takes no rule"):
        read_without_repeats([ruled])

    # Where the objective names its own τ, a rule still makes another training; another base τ does not.
    several = ("objective=kd", "objective.taus=[2,3]")
    jobs = [
        composed(*several, strategy) for strategy in ("temperature=fixed", "temperature=lskd", "temperature=stochastic")
    ]
    assert [job is not None for job in read_without_repeats(jobs)] == [True, True, False]


def test_a_rule_is_part_of_the_id_and_its_default_is_not() -> None:
    plain = composed("temperature=fixed")
    earlier = composed("temperature=fixed")
    del earlier["temperature"]["rule"]
    del earlier["objective"]["taus"]
    assert campaign_id(earlier) == campaign_id(plain)

    named = composed("temperature=fixed", "temperature.rule=dynamic")
    spelt_out = composed("temperature=fixed", "temperature.rule={name: dynamic}")
    assert campaign_id(named) == campaign_id(spelt_out) != campaign_id(plain)
    other = composed("temperature=fixed", "temperature.rule={name: dynamic, margin: 0.1}")
    assert len({campaign_id(config) for config in (plain, named, other)}) == 3


def test_new_settings_of_a_schedule_count_unless_they_are_at_their_default() -> None:
    plain, earlier = composed("temperature=schedule"), composed("temperature=schedule")
    for key in ("levels", "cycles", "over"):
        del earlier["temperature"]["schedule"][key]
    assert campaign_id(earlier) == campaign_id(plain)
    assert campaign_id(composed("temperature=schedule", "temperature.schedule.over=0.5")) != campaign_id(plain)

    # A schedule of the user's own may have a setting of the same name, with another default.
    own = {"_target_": "my_package.Mine", "levels": 5}
    with_levels = {**plain, "temperature": {**plain["temperature"], "schedule": own}}
    without = {**plain, "temperature": {**plain["temperature"], "schedule": {"_target_": "my_package.Mine"}}}
    assert campaign_id(with_levels) != campaign_id(without)


def test_rows_of_earlier_versions_are_read(tmp_path: Path) -> None:
    epoch = EpochRow(
        trial=0, attempt=0, epoch=0, lr=0.1, tau_mean=4.0, train_loss=1.0, train_score=0.5, val_loss=1.0, val_score=0.5,
        duration_s=1.0,
    )  # fmt: skip
    steps = StepsRow(trial=0, attempt=0, epoch=0, taus=(2.0,), losses=(1.0,))
    for kind, row, new in ((EpochRow, epoch, "tau_sd"), (StepsRow, steps, "tau_sds")):
        fields = dataclasses.asdict(row)
        assert fields.pop(new) is None
        path = tmp_path / f"{new}.jsonl"
        path.write_text(json.dumps(fields) + "\n")
        assert read_rows(path, kind).rows == [row]  # type: ignore[type-var]
