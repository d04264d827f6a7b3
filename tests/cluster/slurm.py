"""A Slurm cluster of one node on loopback, in a folder of its own, ended by its own processes."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_CONTROLLER = ("slurmctld", "slurmscriptd")
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
                _start(program, environment)
            _wait_for_the_node(environment)
            yield environment
        finally:
            ask(environment, "scancel", "--user", "root")
            wait_until(lambda: not ask(environment, "squeue", "-h"), "no job is left")
            for program in ("slurmd", "slurmctld", "munge"):
                _end(folder / f"{program}.pid")


def ask(slurm: dict[str, str], *words: str) -> str:
    """Returns what a command of Slurm prints."""
    return subprocess.run(words, env=slurm, capture_output=True, text=True, check=False, timeout=60).stdout.strip()


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Waits for something that should happen within three minutes."""
    deadline = time.monotonic() + 200
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within 200 s: {what}")
        time.sleep(0.2)


def start_now(slurm: dict[str, str], job: str) -> None:
    """Spares a requeued job the two minutes that Slurm lets it wait."""

    def is_waiting() -> bool:
        return ask(slurm, "squeue", "-h", "-j", job, "-t", "PENDING", "-o", "%r") == "BeginTime"

    wait_until(is_waiting, "the job is in the queue again")
    ask(slurm, "scontrol", "update", f"JobId={job}", "StartTime=now")


def processes_of(slurm: dict[str, str]) -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    """Yields the processes of this cluster's node, and of no other on this machine, with their environment."""
    for process in psutil.process_iter(["name", "environ"]):
        environment = process.info["environ"] or {}
        if environment.get("SLURM_CONF") == slurm["SLURM_CONF"] and process.info["name"] not in _CONTROLLER:
            yield process, environment


def lose_the_node(slurm: dict[str, str]) -> None:
    """Ends the node as a power cut does, with its daemon and its jobs, and says so to the controller.

    The controller would find out by itself, after minutes of silence.
    """
    lost = [process for process, _ in processes_of(slurm)]
    parents = {parent for process in lost if (parent := process.parent()) and parent.name().startswith("slurmstepd")}
    for process in [*parents, *lost]:  # a job's parent first, or it reports that its job was killed
        with suppress(psutil.NoSuchProcess):
            process.kill()
    ask(slurm, "scontrol", "update", f"NodeName={_host()}", "State=DOWN", "Reason=lost")


def bring_the_node_back(slurm: dict[str, str]) -> None:
    """Starts the daemon of a lost node, and returns when a job can begin there."""
    _start("slurmd", slurm)
    _wait_for_the_node(slurm)

    # The controller repeats to the node that its lost jobs are to end, which would end one that has begun anew.
    wait_until(lambda: re.search(r"Agent count: +0\b", ask(slurm, "sdiag")), "the controller has told the node all")


def _start(program: str, environment: dict[str, str]) -> None:
    subprocess.run([program, "-f", environment["SLURM_CONF"]], env=environment, check=True, timeout=30)


def _wait_for_the_node(environment: dict[str, str]) -> None:
    wait_until(lambda: "idle" in ask(environment, "sinfo", "-h", "-o", "%t"), "the node is idle")


def _host() -> str:
    return socket.gethostname().partition(".")[0]


def _configure(folder: Path) -> None:
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(1024))

    ports = {"controller_port": _free_port(), "node_port": _free_port()}
    (folder / "slurm.conf").write_text(_CONFIGURATION.format(folder=folder, host=_host(), **ports))


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
    wait_until((folder / "munge.socket").exists, "munge listens")


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
