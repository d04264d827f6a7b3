"""The records of a command of many campaigns that are all done, written without training anything.

Ids, folders and configurations are those of the command itself, so that the command finds every campaign done. Rows are
those that greenkd writes: for each trial a row of the ledger for its training, its validation, its test and the time
between, and one per epoch. Scores, seconds and energies are made up. What no command that is measured here opens is
left out: the Optuna studies, Hydra's own files, the students' weights. A strategy has the same numbers in all settings.
"""

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hydra import compose, initialize_config_dir

from benchmarks.scale_rows import (
    CAMPAIGN_ID,
    IMAGES,
    METER,
    NOW,
    SENSOR,
    Fields,
    epoch_rows,
    ledger_rows,
    steps_rows,
    trial_row,
)
from greenkd import records
from greenkd.campaign.reading import read_settings
from greenkd.campaign.settings import Settings
from greenkd.configuration import register_configuration
from greenkd.identity import campaign_folder, campaign_id, plain
from greenkd.records import CampaignStatus
from greenkd.records.checksum import with_check
from greenkd.records.correctness import correctness_row
from greenkd.records.json_text import json_bytes
from greenkd.temperature import tau_class

CONF = str(Path(__file__).parents[1] / "conf")
SEEDS = 20

# Five strategies with a hundred trials together, so that a campaign has twenty on average.
STRATEGIES = ("grid", "restarts", "tpe", "random", "stochastic")
_OPTIONS: Mapping[str, dict[str, Any]] = {
    "grid": {"_target_": "greenkd.temperature.Grid", "taus": list(range(2, 27)), "search": None},
    "restarts": {"_target_": "greenkd.temperature.Restarts", "tau": 4.0, "restarts": 25},
    "tpe": {"sampler": "tpe", "n_trials": 25},
    "random": {"sampler": "random", "n_trials": 24},
}
_OF_SEARCHES = {
    "_target_": "greenkd.temperature.OptunaSearch",
    "low": 2,
    "high": 26,
    "distribution": "uniform_int",
    "pruner": "none",
    "search": None,
}
# A hundred settings; the first twenty have one teacher.
TEACHERS = ("small_cnn", "resnet20", "resnet32", "resnet56", "resnet8x4")
STUDENTS = ("tiny_cnn", "resnet8", "shufflenet_v1", "shufflenet_v2", "mobilenet_v2_half")
OBJECTIVES = ("kd", "dkd", "ttm", "kd_alone")

_METERED_BY = f"codecarbon (load_model, process; {SENSOR})"
_TEACHER_COSTS = records.Costs(
    energy_kwh=1.66e-5, co2eq_g=7.4e-3, duration_s=4.96, cpu_s=2.69, flops=2.77e10, forward_flops=1.08e10
)
_LOGITS_COSTS = records.Costs(
    energy_kwh=4e-6, co2eq_g=1.8e-3, duration_s=1.2, cpu_s=0.6, flops=8.6e9, forward_flops=8.6e9
)

_SECOND = "2026-01-31T12:00:00+00:00"
_ENVIRONMENT = records.Environment(
    python="3.12.3",
    packages={"torch": "2.9.0", "optuna": "4.9.0", "hydra-core": "1.3.2", "codecarbon": "3.3.2"},
    meter=METER,
    platform="Linux",
    cpu="made up",
    threads=1,
    gpu=None,
    device="cpu",
    git_commit=None,
    command="python -m benchmarks.scale",
)


def words(campaigns: int) -> list[str]:
    """Returns the words of the command that has so many campaigns, as 400, 2,000, 10,000."""
    settings = campaigns // (SEEDS * len(STRATEGIES))
    teachers, students, objectives = _axes(settings)
    return [
        "temperature=" + ",".join(f"{name}_25" if name in _OPTIONS else name for name in STRATEGIES),
        f"seed=range({SEEDS})",
        f"teacher={','.join(teachers)}",
        f"student={','.join(students)}",
        f"objective={','.join(objectives)}",
        "sweep=scale",
    ]


def write_options(folder: Path) -> None:
    """Writes the options of `temperature` that make a campaign of about 25 trials; `--config-dir` finds them."""
    (folder / "temperature").mkdir(parents=True)
    for name, option in _OPTIONS.items():
        searching = {} if "_target_" in option else _OF_SEARCHES
        content = {"name": name, **searching, **option, "rule": "shared"}
        (folder / "temperature" / f"{name}_25.yaml").write_text(yaml.safe_dump(content))


def write_records(sweep: Path, options: Path, campaigns: int) -> int:
    """Writes the records of all campaigns of `words(campaigns)`.

    Args:
        sweep: The sweep's folder.
        options: What `write_options` wrote.
        campaigns: How many.

    Returns:
        How many trials they have.
    """
    trials = 0
    for config, settings in _composed(options, campaigns):
        for seed in range(SEEDS):
            of_seed = {**config, "seed": seed}
            folder = sweep / campaign_folder(of_seed)
            folder.mkdir(parents=True)
            trials += _write_campaign(folder, settings, of_seed)
    return trials


def _axes(settings: int) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    teachers = -(-settings // (len(STUDENTS) * len(OBJECTIVES)))
    students = -(-settings // (teachers * len(OBJECTIVES)))
    axes = TEACHERS[:teachers], STUDENTS[:students], OBJECTIVES[: -(-settings // (teachers * students))]
    if settings < 1 or teachers > len(TEACHERS) or len(list(itertools.product(*axes))) != settings:
        allowed = "100, 200, 300, 400, 800, 1200, 1600, 2000, 4000, 6000, 8000, 10000"
        raise ValueError(f"{settings * SEEDS * len(STRATEGIES)} campaigns: give one of {allowed}")
    return axes


def _composed(options: Path, campaigns: int) -> Iterator[tuple[dict[str, Any], Settings]]:
    """Yields configuration and settings of each setting and strategy; those of other seeds differ in `seed` alone."""
    register_configuration()
    strategies, _, teachers, students, objectives, sweep = (
        [f"{key}={value}" for value in values.split(",")]
        for key, _, values in (word.partition("=") for word in words(campaigns))
    )
    with initialize_config_dir(CONF, version_base="1.3"):
        for choice in itertools.product(teachers, students, objectives, strategies):
            config = plain(compose("config", [f"hydra.searchpath=[file://{options}]", *choice, *sweep]))
            yield config, read_settings(config)


@dataclasses.dataclass(frozen=True)
class _Results:
    """What a strategy with a seed gave, in every setting."""

    trials: list[Fields]
    tests: tuple[records.TestResult, ...]
    files: dict[str, bytes]  # but for the ledger, whose lines name their campaign
    ledger: list[bytes]


def _write_campaign(folder: Path, settings: Settings, config: Mapping[str, Any]) -> int:
    """Writes the files of a campaign's folder, and returns how many trials it has."""
    strategy, identity = settings.strategy, campaign_id(config)
    results = _results(settings.temperature.name, strategy.planned_trials(), config["seed"])

    files = results.files | {
        "ledger.jsonl": _lines(line.replace(CAMPAIGN_ID, identity.encode()) for line in results.ledger)
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    record = _record(identity, settings, config, results)
    (folder / "campaign.json").write_bytes(with_check(json_bytes(dataclasses.asdict(record), indent=2) + b"\n"))
    (folder / "config.yaml").write_text(yaml.dump(dict(config), Dumper=yaml.CSafeDumper))

    entries = {
        path.name: {"size_bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in sorted(folder.iterdir())
    }
    manifest = {"files": entries, "created_at": NOW, "schema_version": records.SCHEMA_VERSION}
    (folder / "manifest.json").write_bytes(with_check(json_bytes(manifest, indent=2) + b"\n"))
    return len(results.trials)


@functools.cache
def _results(name: str, count: int, seed: int) -> _Results:
    random = np.random.default_rng([STRATEGIES.index(name), seed])
    right = random.random((count, IMAGES)) < random.normal(0.95, 0.004, (count, 1))
    val_scores = np.round(287 * (right.mean(axis=1) + random.normal(0, 0.004, count))) / 287
    losses = random.normal(0.16, 0.01, (2, count))
    seconds = 2.2 * np.exp(random.normal(0, 0.1, count))
    taus = {"grid": np.arange(2.0, 27.0), "tpe": random.integers(2, 27, 25), "random": random.integers(2, 27, 24)}.get(
        name
    )

    trials = [
        trial_row(
            number,
            {"tau": float(taus[number])} if taus is not None else {"restart": number} if count > 1 else {},
            float(val_scores[number]),
            float(losses[0, number]),
            float(seconds[number]),
        )
        for number in range(count)
    ]
    tests = tuple(
        records.TestResult(trial=number, score=float(score), loss=float(loss), calibration_error=0.03)
        for number, (score, loss) in enumerate(zip(right.mean(axis=1), losses[1], strict=True))
    )

    rows: dict[str, Iterable[Fields]] = {
        "trials.jsonl": trials,
        "epochs.jsonl": (row for trial in trials for row in epoch_rows(trial)),
        "tests.jsonl": (vars(correctness_row(number, right[number])) for number in range(count)),
    }
    if count == 1:
        rows["steps.jsonl"] = steps_rows(random)
    files = {name: _lines(map(json_bytes, lines)) for name, lines in rows.items()}
    return _Results(trials, tests, files, [json_bytes(row) for row in ledger_rows(seconds.tolist())])


def _lines(rows: Iterable[bytes]) -> bytes:
    return b"".join(with_check(row) + b"\n" for row in rows)


def _record(identity: str, settings: Settings, config: Mapping[str, Any], results: _Results) -> records.CampaignRecord:
    best = min(results.trials, key=lambda row: (-row["val_score"], row["val_loss"], row["trial"]))
    student, teacher = (
        records.NetworkRecord(
            name=config[role]["name"],
            parameters=10_000,
            forward_flops_per_image=46400.0,
            training_flops_per_image=129984.0,
        )
        for role in ("student", "teacher")
    )
    return records.CampaignRecord(
        campaign_id=identity,
        setting_id=settings.setting_id,
        sweep=settings.sweep,
        status=CampaignStatus.DONE,
        dataset=settings.dataset.name,
        teacher=teacher.name,
        student=student.name,
        objective=settings.objective.name,
        strategy=settings.temperature.name,
        kind=settings.strategy.kind,
        tau_class=tau_class(settings.strategy),
        seed=config["seed"],
        planned_trials=len(results.trials),
        student_network=student,
        teacher_result=records.TeacherRecord(
            key=f"{teacher.name}-teacher",
            network=teacher,
            val_score=0.972,
            test_score=0.981,
            costs=_TEACHER_COSTS,
            trained_by=identity,
            metered_by=_METERED_BY,
        ),
        chosen_trial=best["trial"],
        chosen_params=best["params"],
        val_score=best["val_score"],
        test_score=results.tests[best["trial"]].score,
        tests=results.tests,
        logits_costs=_LOGITS_COSTS,
        logits_metered_by=(_METERED_BY,),
        data_fingerprint="0d1g175",
        environment=_ENVIRONMENT,
        created_at=_SECOND,
        updated_at=_SECOND,
    )
