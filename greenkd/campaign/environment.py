"""Where a campaign ran: versions, hardware, commit, command."""

import contextlib
import functools
import importlib.metadata
import platform
import subprocess
from pathlib import Path

import torch

from greenkd.energy.machine import processor_name
from greenkd.records import Environment
from greenkd.training.backend.threads import available_threads
from greenkd.whereabouts import scheduler_job, this_host, typed_line

_ROOT = Path(__file__).parents[2]
_PACKAGES = (
    "greenkd",
    "torch",
    "torchvision",
    "optuna",
    "hydra-core",
    "omegaconf",
    "codecarbon",
    "carbontracker",
    "numpy",
)


def describe_environment(device: torch.device, meter: str) -> Environment:
    """Returns what this process runs on and with."""
    job = scheduler_job()
    return Environment(
        python=platform.python_version(),
        packages=_installed() | {"torch": torch.__version__},  # with the build it is, +cu… or +cpu
        meter=meter,
        platform=platform.platform(),
        cpu=processor_name() or platform.processor() or platform.machine(),
        threads=available_threads(),
        gpu=torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        device=str(device),
        git_commit=_git_commit(),
        command=typed_line(),
        host=this_host(),
        scheduler=None if job is None else job.scheduler,
        job_id=None if job is None else job.number,
    )


@functools.cache
def _installed() -> dict[str, str]:
    """Returns the versions of the packages that are installed, read once per process."""
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _git_commit() -> str | None:
    if not (_ROOT / ".git").exists():  # installed; the environment may lie in a repository of somebody else's
        return None
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=_ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip()
