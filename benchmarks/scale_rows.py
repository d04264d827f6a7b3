"""Made-up rows of one strategy with one seed, as greenkd writes them on a machine that does nothing else."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from greenkd import records
from greenkd.records import LedgerRow, Phase, Source, TrialStatus

EPOCHS = 12
IMAGES = 359  # test images of the digits
CAMPAIGN_ID = b"0123456789"  # in the place of a campaign's
NOW = "2026-01-31T12:00:00.000+00:00"
METER = "codecarbon 3.3.2"
SENSOR = "CPU cpu_load, TDP 8 W, RAM constant, 0 GPU(s)"
_MACHINE = records.Machine(load_before=1.92, load_after=1.97, busy_share=0.993, steal_share=0.0, pressure_share=0.535)

Fields = dict[str, Any]  # of a line


def trial_row(number: int, params: dict[str, Any], val_score: float, val_loss: float, seconds: float) -> Fields:
    """Returns the row of one complete trial."""
    row = records.TrialRow(
        trial=number,
        attempt=0,
        status=TrialStatus.COMPLETE,
        params=params,
        epochs=EPOCHS,
        val_score=val_score,
        val_loss=val_loss,
        train_loss=0.86,
        duration_s=seconds,
        cpu_s=0.7 * seconds,
        energy_kwh=3.5e-6 * seconds,
        co2eq_g=1.6e-3 * seconds,
        flops=1955140608.0,
        started_at=NOW,
    )
    return dict(vars(row))


def epoch_rows(trial: Fields) -> Iterator[Fields]:
    """Yields the epochs of a trial, whose score rises to the trial's."""
    row = records.EpochRow(
        trial=trial["trial"],
        attempt=0,
        epoch=0,
        lr=0.1,
        tau_mean=trial["params"].get("tau", 4.0),
        train_loss=trial["train_loss"],
        train_score=0.9,
        val_loss=trial["val_loss"],
        val_score=trial["val_score"],
        duration_s=trial["duration_s"] / EPOCHS,
    )
    for epoch in range(EPOCHS):
        yield {**vars(row), "epoch": epoch, "val_score": trial["val_score"] * (epoch + 1) / EPOCHS}


def steps_rows(random: np.random.Generator) -> Iterator[Fields]:
    """Yields the τ and losses of every step of a random schedule, an epoch a row."""
    for epoch in range(EPOCHS):
        taus, losses = random.integers(2, 21, 36).astype(float), random.normal(1.0, 0.1, 36)
        row = records.StepsRow(
            trial=0, attempt=0, epoch=epoch, taus=tuple(taus.tolist()), losses=tuple(losses.tolist())
        )
        yield dict(vars(row))


def ledger_rows(seconds: Sequence[float]) -> Iterator[Fields]:
    """Yields what an unoccupied machine records: a row for each phase of each trial, and the campaign's own."""
    phases = ((Phase.STUDENT_TRAINING, 1.0, 11484), (Phase.VALIDATION, 0.05, 3444), (Phase.TEST, 0.01, IMAGES))
    for trial, of_trial in enumerate(seconds):
        for phase, share, images in phases:
            yield _metered(phase, trial, share * of_trial, images)
        yield _metered(Phase.OVERHEAD, None, 0.04 * of_trial, 0)

    yield _metered(Phase.OVERHEAD, None, 0.8, 0)
    yield _metered(Phase.INFERENCE, 0, 1.0, 40000)
    yield {**_metered(Phase.START_UP, None, 4.2, 0), "warnings": (records.UNMETERED,), "machine": None}


def _metered(phase: Phase, trial: int | None, seconds: float, images: int) -> Fields:
    cpu_kwh, ram_kwh = 2.22e-6 * 0.7 * seconds, 10.0 / 3.6e6 * 0.52 * seconds
    forward = 46400.0 * images
    row = LedgerRow(
        campaign_id=CAMPAIGN_ID.decode(),
        phase=phase,
        trial=trial,
        attempt=0,
        started_at=NOW,
        duration_s=seconds,
        cpu_s=0.7 * seconds,
        energy_kwh=cpu_kwh + ram_kwh,
        cpu_kwh=cpu_kwh,
        gpu_kwh=None,
        ram_kwh=ram_kwh,
        cpu_source=Source.MODELLED,
        gpu_source=Source.ABSENT,
        ram_source=Source.CONSTANT,
        meter=METER,
        method="load_model",
        scope="process",
        apportioned=phase is Phase.START_UP,
        pue=1.0,
        intensity_g_per_kwh=445.0,
        intensity_source="IEA Electricity 2025, world average",
        co2eq_g=445.0 * (cpu_kwh + ram_kwh),
        flops=forward * (3 if phase is Phase.STUDENT_TRAINING else 1),
        forward_flops=forward,
        images=images,
        sensor=SENSOR,
        pue_source="device energy only",
        intensity_year=2024,
        intensity_region="world",
        intensity_is_default=True,
        cpu_time_kwh=cpu_kwh,
        resolution_share=0.0187,
        sharers=1.0,
        pid=4242,
        host="machine/0badc0de",
    )
    return {**vars(row), "machine": vars(_MACHINE)}
