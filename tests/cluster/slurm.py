"""A Slurm cluster of one node on loopback, in a folder of its own, ended by its own processes."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel")

# Two partitions on one node: a job of `high` takes the node from jobs of `low`, which Slurm requeues.
_CONFIGURATION = """
ClusterName=greenkd
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=low Nodes={host} Default=YES State=UP PriorityTier=1 GraceTime=60
PartitionName=high Nodes={host} State=UP PriorityTier=10 PreemptMode=OFF
"""


def missing_programs() -> list[str]:
    """Returns the programs of Slurm that are not installed here."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


@contextmanager
def cluster() -> Iterator[dict[str, str]]:
    """Starts a cluster for a block, without an accounting database.

    Yields:
        The environment in which its commands find it.
    """
    with tempfile.TemporaryDirectory(prefix="greenkd-slurm-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        _configure(folder)
        environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        try:
            _start_munge(folder)
            for program in ("slurmctld", "slurmd"):
                subprocess.run([program, "-f", str(folder / "slurm.conf")], env=environment, check=True, timeout=30)
            _wait_until(lambda: "idle" in _output(["sinfo", "-h", "-o", "%t"], environment), "the node is idle")
            yield environment
        finally:
            subprocess.run(["scancel", "--user", "root"], env=environment, check=False, timeout=30)
            _wait_until(lambda: not _output(["squeue", "-h"], environment), "no job is left")
            for program in ("slurmd", "slurmctld", "munge"):
                _end(folder / f"{program}.pid")


def _configure(folder: Path) -> None:
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(1024))

    host = socket.gethostname().partition(".")[0]
    ports = {"controller_port": _free_port(), "node_port": _free_port()}
    (folder / "slurm.conf").write_text(_CONFIGURATION.format(folder=folder, host=host, **ports))


def _start_munge(folder: Path) -> None:
    files = {
        "key-file": "munge.key",
        "socket": "munge.socket",
        "pid-file": "munge.pid",
        "log-file": "munge.log",
        "seed-file": "munge.seed",
    }
    words = [f"--{option}={folder / file}" for option, file in files.items()]
    subprocess.run(["munged", "--force", *words], check=True, timeout=30)
    _wait_until((folder / "munge.socket").exists, "munge listens")


def _end(pid_file: Path) -> None:
    """Ends a server by the process number in its file."""
    if not pid_file.exists():
        return
    try:
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
    except (ProcessLookupError, ValueError):
        return
    time.sleep(0.5)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _output(words: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=30).stdout


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within a minute: {what}")
        time.sleep(0.2)
