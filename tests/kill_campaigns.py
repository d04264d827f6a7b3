"""The campaigns that are killed: short, and of every kind whose state has to survive."""

from pathlib import Path

from greenkd.campaign.reading import read_settings
from greenkd.campaign.settings import Settings
from tests.campaigns import composed

SHORT = (
    "energy=simulated",
    "energy.heartbeat_s=0.1",
    "training.epochs=3",
    "training.teacher.epochs=2",
    "training.batch_size=192",
    "training.checkpoint_every_s=0.05",
    "student.width=4",
    "teacher.width=8",
)
# Random τ, a grid one by one and in lockstep, by rungs, a searched τ, dropout, a learned τ, trainable parts and memory
# banks of the objective's own, detection; and images out of the teacher, whose makers have a head and a memory bank,
# made before the trials and within them.
CAMPAIGNS = {
    "pool": (
        "temperature=grid",
        "temperature.taus=[2,8]",
        "transfer=cmi",
        "transfer.batch_size=96",
        "transfer.steps=4",
        "transfer.images=700",
        "transfer.width=4",
        "objective=kd_alone",
    ),
    "stochastic": ("temperature=stochastic",),
    "adversarial": (
        "temperature=stochastic",
        "transfer=fast",
        "transfer.adversarial=1",
        "transfer.steps=4",
        "transfer.images=700",
        "transfer.width=4",
        "objective=kd_alone",
    ),
    "grid": ("temperature=grid", "temperature.taus=[2,8]"),
    "lockstep": (
        "temperature=grid",
        "temperature.taus=[2,4,8]",
        "training.parallel_mode=lockstep",
        "training.parallel_trials=2",
    ),
    "halving": ("temperature=halving", "temperature.taus=[2,4,8]", "temperature.reduction_factor=2"),
    "search": ("temperature=optuna", "temperature.n_trials=3", "temperature.sampler=tpe"),
    "dropout": ("temperature=stochastic", "student=cnn", "training.precision=fp32"),
    "rule": ("temperature=ctkd", "temperature.rule.curriculum_epochs=1"),
    "crd": ("temperature=fixed", "objective=crd", "objective.negatives=64", "objective.embedding_size=8"),
    "detection": (
        "dataset=digit_scenes",
        "dataset.train_scenes=80",
        "dataset.test_scenes=20",
        "temperature=grid",
        "temperature.taus=[2,8]",
        "training.batch_size=16",
    ),
}


def settings_of(campaign: str, root: Path) -> Settings:
    """Composes one of CAMPAIGNS as run.py does."""
    return read_settings({**composed(*SHORT, *CAMPAIGNS[campaign]), "cache_dir": str(root / "cache")})
