"""Writes sweeps with planted accuracies and costs, so that what an analysis must find is known beforehand."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from greenkd import records
from greenkd.records import CampaignStatus, Phase, Source, TrialStatus
from tests.analysis.plans import Plan, Trial, standard_plans

NOW = "2026-01-01T00:00:00+00:00"
ENVIRONMENT = records.Environment(
    python="3.11.7",
    packages={"torch": "2.15.0", "optuna": "5.0.0"},
    meter="simulated 1",
    platform="Linux",
    cpu="TestCPU",
    threads=2,
    gpu=None,
    device="cpu",
    git_commit="0" * 40,
    command="python run.py -m temperature=grid,stochastic",
)
TEACHER_COSTS = records.Costs(
    energy_kwh=0.010, co2eq_g=0.56, duration_s=360.0, cpu_s=720.0, flops=5e13, forward_flops=1.6e13
)


def ledger_row(
    plan: Plan, phase: Phase, trial: int | None, attempt: int, seconds: float, **more: Any
) -> records.LedgerRow:
    of_cpu = None if plan.watts is None else seconds * plan.watts / 3.6e6
    of_ram = seconds * plan.ram_watts / 3.6e6 if plan.ram_watts else None
    energy = None if of_cpu is None else of_cpu + (of_ram or 0.0)
    grams = None if energy is None or plan.intensity is None else energy * plan.pue * plan.intensity
    source = Source.ABSENT if energy is None else plan.source
    images = 0 if phase in (Phase.OVERHEAD, Phase.IDLE, Phase.START_UP) else int(seconds * 1000)
    values: dict[str, Any] = {
        "campaign_id": "",
        "phase": phase,
        "trial": trial,
        "attempt": attempt,
        "started_at": NOW,
        "duration_s": seconds,
        "cpu_s": 2 * seconds,
        "energy_kwh": energy,
        "cpu_kwh": of_cpu,
        "gpu_kwh": None,
        "ram_kwh": of_ram,
        "cpu_source": source,
        "gpu_source": Source.ABSENT,
        "ram_source": Source.ABSENT if of_ram is None else Source.CONSTANT,
        "meter": plan.meter,
        "method": plan.method,
        "scope": "process",
        "apportioned": False,
        "pue": plan.pue,
        "intensity_g_per_kwh": plan.intensity,
        "intensity_source": "planted",
        "co2eq_g": grams,
        "flops": images * 3e6 if images else None,
        "forward_flops": images * 1e6 if images else None,
        "images": images,
    }
    return records.LedgerRow(**(values | more))


def write_campaign(root: Path, plan: Plan) -> Path:
    identity = hashlib.sha256(repr(plan).encode()).hexdigest()[:10]
    folder = (
        root
        / plan.dataset
        / f"{plan.teacher}-{plan.student}"
        / plan.objective
        / plan.strategy
        / f"seed{plan.seed}-{identity}"
    )
    folder.mkdir(parents=True)
    trials = [
        dataclasses.replace(trial, trial=number if trial.trial is None else trial.trial)
        for number, trial in enumerate(plan.trials)
    ]
    complete = [trial for trial in trials if trial.status == TrialStatus.COMPLETE and trial.val_score is not None]
    best = min(complete, key=lambda trial: (-trial.val_score, trial.val_loss, trial.trial), default=None)
    done = plan.status in (CampaignStatus.DONE, CampaignStatus.PARTIAL) and best is not None
    tested = done and plan.tested
    record = records.CampaignRecord(
        campaign_id=identity,
        setting_id=plan.setting_id,
        sweep=root.name,
        status=plan.status,
        dataset=plan.dataset,
        teacher=plan.teacher,
        student=plan.student,
        objective=plan.objective,
        metric=plan.metric,
        strategy=plan.strategy,
        kind=plan.kind,
        seed=plan.seed,
        planned_trials=len({trial.trial for trial in trials}) if plan.planned is None else plan.planned,
        student_network=records.NetworkRecord(
            name=plan.student, parameters=10_000, forward_flops_per_image=2e5, training_flops_per_image=6e5
        ),
        teacher_result=records.TeacherRecord(
            key="7eac4e5",
            network=records.NetworkRecord(
                name=plan.teacher, parameters=90_000, forward_flops_per_image=9e5, training_flops_per_image=27e5
            ),
            val_score=0.97,
            test_score=0.96,
            costs=TEACHER_COSTS,
            trained_by=identity,
        ),
        chosen_trial=best.trial if done and best else None,
        chosen_params=_params(best) if done and best else None,
        val_score=best.val_score if done and best else None,
        test_score=best.test_score if tested and best else None,
        tests=tuple(
            records.TestResult(
                trial=trial.trial or 0,
                score=trial.test_score,
                loss=trial.test_loss,
                calibration_error=trial.calibration_error,
            )
            for trial in complete
            if tested and trial.test_score is not None
        ),
        logits_costs=plan.logits,
        logits_metered_by=plan.logits_metered_by,
        data_fingerprint="f" * 8,
        environment=dataclasses.replace(ENVIRONMENT, meter=plan.meter),
        created_at=NOW,
        updated_at=NOW,
        searched=plan.searched,
        tau_source=plan.tau_source,
    )
    records.write_campaign(folder / "campaign.json", record)
    if plan.temperature is not None:
        (folder / "config.yaml").write_text(yaml.safe_dump({"temperature": plan.temperature}))
    rows: list[records.LedgerRow] = []
    for trial in trials:
        rows += plan.heartbeats * [
            ledger_row(plan, Phase.STUDENT_TRAINING, trial.trial, trial.attempt, trial.seconds / plan.heartbeats)
        ]
        rows.append(ledger_row(plan, Phase.VALIDATION, trial.trial, trial.attempt, trial.seconds / 10))
    if plan.overhead_s:
        rows.append(ledger_row(plan, Phase.OVERHEAD, None, 0, plan.overhead_s))
    if plan.start_s:
        rows.append(ledger_row(plan, Phase.OVERHEAD, None, 0, plan.start_s, warnings=(records.UNMETERED,)))
    if tested:
        rows.append(ledger_row(plan, Phase.TEST, best.trial if best else None, 0, 1.8))
        rows.append(ledger_row(plan, Phase.INFERENCE, best.trial if best else None, 0, 0.5))
        rows.append(ledger_row(plan, Phase.INFERENCE, None, 0, 1.0, images=500))  # the teacher's
    write_lines(folder / "ledger.jsonl", rows)
    write_lines(
        folder / "trials.jsonl",
        [_trial_row(trial, plan.epochs) for trial in trials if trial.status is not None],
    )
    finished = [trial for trial in trials if trial.status is not None]
    write_lines(folder / "epochs.jsonl", [row for trial in finished for row in _epoch_rows(trial, plan.epochs)])
    if plan.steps:
        write_lines(folder / "steps.jsonl", [row for trial in finished for row in _step_rows(trial, plan)])
    return folder


def write_lines(path: Path, rows: Iterable[Any]) -> None:
    path.write_text("".join(json.dumps(vars(row)) + "\n" for row in rows))


def _params(trial: Trial) -> dict[str, Any]:
    named = {"tau": trial.tau, "restart": trial.restart}
    return {name: value for name, value in named.items() if value is not None} | trial.others


def _trial_row(trial: Trial, epochs: int) -> records.TrialRow:
    return records.TrialRow(
        trial=trial.trial or 0,
        attempt=trial.attempt,
        status=trial.status or TrialStatus.COMPLETE,
        params=_params(trial),
        epochs=epochs,
        val_score=trial.val_score,
        val_loss=trial.val_loss,
        train_loss=0.2,
        duration_s=1.1 * trial.seconds,
        cpu_s=2.2 * trial.seconds,
        energy_kwh=None,
        co2eq_g=None,
        flops=None,
        started_at=NOW,
        cause=None if trial.status == TrialStatus.COMPLETE else "loss became NaN",
    )


def _epoch_rows(trial: Trial, epochs: int) -> list[records.EpochRow]:
    final = trial.val_score or 0.5
    return [
        records.EpochRow(
            trial=trial.trial or 0,
            attempt=trial.attempt,
            epoch=epoch,
            lr=0.1,
            tau_mean=trial.tau or 11.0,
            train_loss=2.0 / (epoch + 1),
            train_score=final,
            val_loss=trial.val_loss,
            val_score=final * (epoch + 1) / epochs,
            duration_s=trial.seconds / epochs,
        )
        for epoch in range(epochs)
    ]


def _step_rows(trial: Trial, plan: Plan) -> list[records.StepsRow]:
    generator = np.random.default_rng([plan.seed, trial.trial or 0])
    return [
        records.StepsRow(
            trial=trial.trial or 0,
            attempt=trial.attempt,
            epoch=epoch,
            taus=tuple(float(tau) for tau in generator.integers(2, 21, plan.steps)),
            losses=tuple(float(loss) for loss in 2.0 / (epoch + 1) + generator.normal(0, 0.1, plan.steps)),
        )
        for epoch in range(plan.epochs)
    ]


def write_sweep(root: Path, plans: Iterable[Plan] | None = None, **options: Any) -> Path:
    for plan in standard_plans(**options) if plans is None else plans:
        write_campaign(root, plan)
    return root
