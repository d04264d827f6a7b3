"""Everything that conf/ ships runs, shrunk by `smoke=true`: options, experiments, objectives × strategies, networks.

Campaigns run in this process, through the code that a user's command runs, with made-up images of the data set's shape.
"""

import functools
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from greenkd.campaign.campaign import run_campaign
from greenkd.campaign.console import Reporter
from greenkd.campaign.reading import read_settings
from greenkd.campaign.settings import Settings
from greenkd.campaign.task_fit import OBJECTIVES as OBJECTIVES_OF_TASK
from greenkd.errors import ConfigError
from greenkd.identity import campaign_folder
from greenkd.network_cards import read_network_cards
from greenkd.records import (
    CampaignRecord,
    CampaignStatus,
    EpochRow,
    LedgerRow,
    Phase,
    StepsRow,
    StrategyKind,
    TrialStatus,
    read_rows,
)
from greenkd.records import TrialRow as Trial
from greenkd.temperature import total_epochs
from greenkd.temperature.rules import RULES
from greenkd.training.stop_signals import StopFlag
from tests.campaigns import ROOT, composed

CONF = ROOT / "conf"
EPOCHS, TRAINING_IMAGES, TEST_IMAGES = 2, 6, 6
TRAINING_SCENES, TEST_SCENES = (4, 5), 4  # of detection; validation takes one picture or two
SCENES = ("dataset=digit_scenes", "student=tiny_ssd", "teacher=small_ssd")
TEMPERED = ("annealing_kd", "crd", "dkd", "dml", "kd", "kd_alone", "kd_paper", "tfkd_reg", "tfkd_self", "ttm")
TAKES_RULES = ("crd", "dkd", "dml", "kd", "kd_alone", "kd_paper", "tfkd_self")
HAS_ALPHA = ("dkd", "kd", "kd_alone", "kd_paper", "tfkd_reg", "tfkd_self")
# The rule of each strategy that has one; there is one for each rule.
RULE_OF = {
    "ats": "per_class",
    "ctkd": "learned",
    "dtkd": "dynamic",
    "dts": "loss_gap",
    "lskd": "standardised",
    "lskd_grid": "standardised",
    "stochastic_per_sample": "per_sample_random",
}
WITHOUT_TEACHER = ("dml", "label_smoothing", "none", "tfkd_reg")


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


STRATEGIES = options("temperature")
OBJECTIVES = [name for name in options("objective") if name in OBJECTIVES_OF_TASK["classification"]]
DETECTION_OBJECTIVES = [name for name in options("objective") if name not in OBJECTIVES]
CARDS = read_network_cards()
NETWORKS = sorted([*CARDS, *options("student")])
EXPERIMENTS = options("experiment")


# What takes long for its handful of pictures: networks of whose family a smaller one is trained, large detectors,
# and experiments and data sets of such networks.
LARGE = (
    *("densenet121", "googlenet", "mobilenet_v2", "resnet101", "resnet110", "resnet14", "resnet152", "resnet18"),
    *("resnet20", "resnet32", "resnet32x4", "resnet34", "resnet44", "resnet50", "resnet56", "resnext29"),
    *("shufflenet_v2", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0", "ssd300_vgg16", "ssdlite300_mobilenet_v2"),
    *("ssdlite320_mobilenet_v3", "vgg13", "vgg16", "vgg19", "wrn_16_2", "wrn_40_1", "wrn_40_2"),
)
LARGE_DATA = ("coco_folder", "voc")
LARGE_EXPERIMENTS = (
    "cmi_cifar10_wrn",
    "literature_cifar100_resnet32x4_resnet8x4",
    "literature_cifar100_resnet32x4_shufflenet_v2",
    "literature_cifar100_resnet50_mobilenet_v2_half",
    "literature_cifar100_resnet56_resnet20",
    "literature_cifar100_wrn_40_2_wrn_16_2",
    "paper_cifar100",
    "paper_tiny_imagenet",
    "paper_voc",
    "tfkd_densenet121",
    "tfkd_googlenet",
    "tfkd_mobilenet_v2",
    "tfkd_resnet18",
    "tfkd_resnext29",
    "tfkd_shufflenet_v2",
    "voc_demo",
)


def at_night(*choice: str, if_: bool) -> Any:
    """A choice that `scripts/check` leaves to the night, if so."""
    return pytest.param(*choice, marks=pytest.mark.nightly if if_ else ())


# All strategies with one objective, all objectives with some; the rest of the product is the night's.
PAIRS = [
    at_night(objective, strategy, if_=objective != "kd" and strategy not in ("fixed", "stochastic"))
    for objective in OBJECTIVES
    for strategy in STRATEGIES
]
# Strategies by how they go through a campaign; tasks and pictures do not meet the others in another way.
OF_OTHER_TASKS = [
    at_night(strategy, if_=strategy not in ("ctkd", "fixed", "grid", "halving", "optuna", "stochastic"))
    for strategy in STRATEGIES
]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Teachers trained once per test process."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def source(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An earlier search of another pair, for `temperature=transfer`."""
    root = tmp_path_factory.mktemp("source")
    run(smoke(cache, "dataset=cifar10", "temperature=grid_coarse", "student=tiny_cnn", "teacher=tiny_cnn"), root)
    return root


def smoke(cache: Path, *overrides: str) -> Settings:
    fixed = ("smoke=true", "energy=none", "device=cpu", "threads=1", "data_dir=/nowhere")
    return read_settings(composed(*fixed, *overrides) | {"cache_dir": str(cache)})


def run(settings: Settings, root: Path) -> CampaignRecord:
    """Runs a campaign and checks what every finished one has to have."""
    folder = root / campaign_folder(settings.config)
    record = run_campaign(settings, folder, StopFlag(), Reporter())
    trials = read_rows(folder / "trials.jsonl", Trial).rows
    epochs = read_rows(folder / "epochs.jsonl", EpochRow).rows
    ledger = read_rows(folder / "ledger.jsonl", LedgerRow).rows
    planned = settings.strategy.planned_trials()
    assert record.status is CampaignStatus.DONE, record.message
    rungs = settings.strategy.rungs(EPOCHS)
    assert [row.status for row in trials if row.status.has_ended] == [
        *[TrialStatus.PRUNED] * (planned - rungs[-1].trials),
        *[TrialStatus.COMPLETE] * rungs[-1].trials,
    ]
    assert len(epochs) == total_epochs(rungs)
    trained = sum(row.images for row in ledger if row.phase is Phase.STUDENT_TRAINING)
    if record.metric == "accuracy":
        assert record.test_score in [hits / TEST_IMAGES for hits in range(TEST_IMAGES + 1)]
        assert trained == total_epochs(rungs) * TRAINING_IMAGES
    else:
        assert record.metric == "mAP"
        assert record.test_score is not None
        assert 0 <= record.test_score <= 1
        assert trained in [total_epochs(rungs) * scenes for scenes in TRAINING_SCENES]
    assert all(tensor.isfinite().all() for tensor in load_file(folder / "student.safetensors").values())
    assert record.student_inference is not None
    assert record.student_inference.images == (TEST_IMAGES if record.metric == "accuracy" else TEST_SCENES)
    assert (record.teacher_result is None) == (record.teacher_inference is None)
    return record


@functools.cache
def trains_more_than_once(strategy: str) -> bool:
    if strategy == "transfer":
        return False
    return read_settings(composed(f"temperature={strategy}", "objective=kd")).strategy.planned_trials() > 1


@pytest.mark.parametrize(("objective", "strategy"), PAIRS)
def test_every_objective_runs_under_every_strategy(
    objective: str, strategy: str, cache: Path, source: Path, tmp_path: Path
) -> None:
    choice = (f"objective={objective}", f"temperature={strategy}", "student=tiny_cnn", "teacher=small_cnn")
    if strategy == "transfer":
        choice += (f"temperature.source={source}",)
    searches = trains_more_than_once(strategy)
    if strategy in RULE_OF and objective not in TAKES_RULES:
        with pytest.raises(ConfigError, match=r"takes no rule|has no temperature, so \w+ would train"):
            smoke(cache, *choice)
        return
    if searches and strategy != "restarts" and objective not in TEMPERED:
        with pytest.raises(ConfigError, match="has no temperature"):
            smoke(cache, *choice)
        return
    if strategy == "grid_alpha" and objective not in HAS_ALPHA:
        with pytest.raises(ConfigError, match=r"objective\.alpha is not a setting"):
            smoke(cache, *choice)
        return
    settings = smoke(cache, *choice)
    assert settings.strategy.planned_trials() == ((4 if strategy == "grid_alpha" else 2) if searches else 1)
    record = run(settings, tmp_path)
    assert (record.teacher_result is None) == (objective in WITHOUT_TEACHER)
    steps = read_rows(tmp_path / campaign_folder(settings.config) / "steps.jsonl", StepsRow).rows
    varies = objective in TEMPERED and strategy in ("stochastic", "schedule")
    if strategy not in RULE_OF:
        assert [len(set(row.taus)) > 1 for row in steps] == [True] * (EPOCHS if varies else 0)
        assert all(row.tau_sds is None for row in steps)
    assert record.kind is (StrategyKind.ADAPTIVE if strategy in RULE_OF else settings.strategy.kind)

    epochs = read_rows(tmp_path / campaign_folder(settings.config) / "epochs.jsonl", EpochRow).rows
    assert all((row.tau_mean is not None and row.tau_sd is not None) is (strategy in RULE_OF) for row in epochs)


def test_every_objective_is_of_one_task() -> None:
    assert sorted(name for names in OBJECTIVES_OF_TASK.values() for name in names) == options("objective")


@pytest.mark.parametrize("strategy", OF_OTHER_TASKS)
def test_detection_runs_under_every_strategy(strategy: str, cache: Path, source: Path, tmp_path: Path) -> None:
    own = (f"temperature.source={source}",) if strategy == "transfer" else ()
    settings = smoke(cache, *SCENES, f"temperature={strategy}", *own)
    assert settings.training.parallel_mode == "lockstep"
    assert run(settings, tmp_path).teacher_result is not None


@pytest.mark.parametrize("objective", DETECTION_OBJECTIVES)
def test_every_objective_of_detection_runs(objective: str, cache: Path, tmp_path: Path) -> None:
    record = run(smoke(cache, *SCENES, f"objective={objective}", "temperature=fixed"), tmp_path)
    assert (record.teacher_result is None) == (objective in ("ssd", "ssd_dml", "ssd_reg"))


def test_a_strategy_is_shipped_for_every_rule() -> None:
    assert {*RULE_OF.values(), "shared"} == RULES.keys()


@pytest.mark.parametrize(
    "choice",
    [
        ("objective=kd", "objective.taus=[2,3,4,5,6]", "temperature=lskd"),
        ("objective=dkd", "objective.taus=[2,4]", "temperature=fixed"),
        ("objective=ttm", "objective.weighted=true", "temperature=stochastic"),
        ("objective=kd", "temperature=stochastic", "temperature.rule={name: standardised, factor: teacher}"),
        ("objective=kd", "temperature=schedule", "temperature.schedule.shape=cyclic", "temperature.rule=dynamic"),
        ("objective=kd", "temperature=optuna", "temperature.rule=per_class"),
    ],
    ids=" ".join,
)
def test_settings_that_combine_run(choice: tuple[str, ...], cache: Path, tmp_path: Path) -> None:
    run(smoke(cache, *choice, "student=tiny_cnn", "teacher=small_cnn"), tmp_path)


@pytest.mark.parametrize(
    ("transfer", "selection"),
    [
        at_night(transfer, selection, if_=selection == "agreement" and transfer not in ("fast", "noise"))
        for transfer in options("transfer")
        if transfer != "real"
        for selection in ("validation", "agreement")
    ],
)
def test_every_transfer_runs(transfer: str, selection: str, cache: Path, tmp_path: Path) -> None:
    settings = smoke(cache, f"transfer={transfer}", f"selection={selection}", "temperature=grid_coarse")
    record = run(settings, tmp_path)
    assert record.pool is not None
    assert (record.pool.images, record.pool.held_out) == (TRAINING_IMAGES, 3)
    assert record.synthesis_costs is not None
    assert (record.transfer, record.selection) == (settings.transfer.name, selection)


@pytest.mark.parametrize("objective", [name for name in OBJECTIVES if name not in WITHOUT_TEACHER])
def test_every_objective_with_a_teacher_learns_from_synthetic_images(
    objective: str, cache: Path, tmp_path: Path
) -> None:
    run(smoke(cache, "transfer=fast", f"objective={objective}", "temperature=fixed"), tmp_path)


@pytest.mark.parametrize("strategy", OF_OTHER_TASKS)
def test_every_strategy_learns_from_synthetic_images(strategy: str, cache: Path, source: Path, tmp_path: Path) -> None:
    own = (f"temperature.source={source}",) if strategy == "transfer" else ()
    run(smoke(cache, "transfer=fast", f"temperature={strategy}", *own), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("network", [at_night(name, if_=name in LARGE) for name in NETWORKS])
def test_every_network_is_trained_and_evaluated(network: str, cache: Path, tmp_path: Path) -> None:
    # CRD uses the features before the last layer as well as the logits.
    choice = ("dataset=cifar10", "objective=crd", "teacher=tiny_cnn")
    if network in CARDS and CARDS[network].task == "detection":
        choice = (f"dataset={CARDS[network].dataset}", f"dataset.anchors={CARDS[network].anchors}", "objective=ssd")
    record = run(smoke(cache, *choice, f"student={network}", "temperature=fixed"), tmp_path)
    assert record.student_network is not None
    assert record.student_network.parameters > 0


@pytest.mark.slow
@pytest.mark.parametrize("experiment", [at_night(name, if_=name in LARGE_EXPERIMENTS) for name in EXPERIMENTS])
def test_every_experiment_runs(experiment: str, cache: Path, tmp_path: Path) -> None:
    settings = smoke(cache, f"experiment={experiment}")
    record = run(settings, tmp_path)
    assert record.dataset == settings.dataset.name


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["crd", at_night("dml", if_=True)])
@pytest.mark.parametrize(
    "experiment",
    [
        at_night(name, if_=name in LARGE_EXPERIMENTS)
        for name in EXPERIMENTS
        if name.startswith("paper") and name not in ("paper_datafree", "paper_voc")
    ],
)
def test_the_papers_other_methods_run_on_its_experiments(
    experiment: str, objective: str, cache: Path, tmp_path: Path
) -> None:
    settings = smoke(cache, f"experiment={experiment}", f"objective={objective}", "temperature=stochastic")
    assert run(settings, tmp_path).objective == objective


@pytest.mark.parametrize(
    ("group", "option"),
    [
        (group, option)
        for group in ("dataset", "transfer", "teacher", "student", "training", "energy")
        for option in options(group)
    ],
)
def test_every_option_is_accepted_as_it_is(group: str, option: str) -> None:
    own = ("energy.recording=/nowhere.jsonl",) if option == "replay" else ()
    config = composed(f"{group}={option}", "data_dir=/nowhere", *own)
    assert read_settings(config).config[group] == config[group]


@pytest.mark.parametrize("dataset", [at_night(name, if_=name in LARGE_DATA) for name in options("dataset")])
def test_every_data_set_has_a_smoke_run_without_files(dataset: str, cache: Path, tmp_path: Path) -> None:
    is_detection = composed(f"dataset={dataset}", "data_dir=/nowhere")["dataset"].get("task") == "detection"
    objective = "ssd" if is_detection else "none"
    record = run(smoke(cache, f"dataset={dataset}", f"objective={objective}", "temperature=fixed"), tmp_path)
    assert record.dataset == dataset
