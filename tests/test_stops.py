"""Whatever stops a command, and whenever: one line, exit code 130, what to type to go on."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import analysis
from analysis.cli import main
from greenkd.records import TrialRow, TrialStatus, read_rows

ROOT = Path(__file__).parents[1]
WAITING = """
import time
from greenkd.stops import stopping_in_one_line
with stopping_in_one_line("python run.py -m 'a b'"):
    print("ready", flush=True)
    time.sleep(60)
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture(autouse=True)
def hang_ups_count() -> Iterator[None]:
    """Undoes what `nohup` has arranged for the tests themselves: their children inherit it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def waiting(*before: str, **environment: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*before, sys.executable, "-c", WAITING],
        env={**ENVIRONMENT, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_stop_is_one_line(name: str) -> None:
    process = waiting()
    process.send_signal(signal.Signals[name])
    _, said = process.communicate(timeout=60)
    assert said == f"stopped by {name}; nothing on disk is lost. To go on: python run.py -m 'a b'\n"
    assert process.returncode == 130


def test_a_hang_up_that_nohup_ignores_stays_ignored() -> None:
    process = waiting("nohup")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert process.poll() is None
    process.terminate()
    assert process.communicate(timeout=60)[1].splitlines()[-1].startswith("stopped by SIGTERM")


@pytest.mark.parametrize(
    ("name", "preempted_at", "requeued"),
    [("SIGUSR2", "None", True), ("SIGTERM", "2026-01-01T00:00:00", True), ("SIGTERM", "None", False)],
)
def test_a_job_of_slurm_that_loses_its_place_between_two_campaigns_is_handed_back(
    name: str, preempted_at: str, requeued: bool, tmp_path: Path
) -> None:
    scontrol = tmp_path / "scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\necho "JobId=7 PreemptTime={preempted_at}"\n')
    scontrol.chmod(0o755)

    process = waiting(SLURM_JOB_ID="7", PATH=f"{tmp_path}:{os.environ['PATH']}")
    process.send_signal(signal.Signals[name])
    _, said = process.communicate(timeout=60)
    assert ("requeue 7" in (tmp_path / "asked").read_text().splitlines()) is requeued
    assert ("Slurm has the job again" in said) is requeued


@pytest.mark.parametrize("moment", ["load", "verdicts", "write_report"])
def test_the_analysis_is_stopped_in_one_line(
    moment: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def stop(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    for name in ("load", "compare", "verdicts", "comparison_tables", "write_verdicts", "write_looks", "print_results"):
        monkeypatch.setattr(analysis, name, lambda *_, **__: None)
    monkeypatch.setattr(analysis, "write_comparison", lambda *_: [])
    monkeypatch.setattr(analysis, moment, stop)
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path), "--report"])

    assert ended.value.code == 130
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"stopped by SIGTERM; nothing on disk is lost. To go on: python -m analysis {tmp_path} --report"]
    assert signal.getsignal(signal.SIGTERM) is before


# Sends itself a signal where a function of its own would be called.
AT = """
import os, runpy, signal, sys, time
import {module} as module
def stop(*_, **__):
    os.kill(os.getpid(), signal.{signal})
    time.sleep(60)
module.{function} = stop
sys.argv = ["run.py", *sys.argv[1:]]
runpy.run_path({run!r}, run_name="__main__")
"""


@pytest.mark.system
@pytest.mark.parametrize(
    ("module", "function", "name"),
    [
        ("analysis", "print_comparison", "SIGINT"),  # while the tables are made
        ("greenkd.sweep.command", "compose_jobs", "SIGTERM"),
        ("greenkd.sweep.execution", "start_fork_server", "SIGHUP"),  # between two campaigns
    ],
)
def test_a_command_is_stopped_in_one_line_outside_its_trainings(
    tmp_path: Path, module: str, function: str, name: str
) -> None:
    script = AT.format(module=module, function=function, signal=name, run=str(ROOT / "run.py"))
    words = ["-m", "smoke=true", "temperature=fixed", "energy=simulated", "order=sequential"]
    if function == "start_fork_server":
        words.append("training.parallel_trials=2")
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=tmp_path,
        env=ENVIRONMENT | {"GREENKD_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 130, said
    assert "Traceback" not in said
    line = f"stopped by {name}; nothing on disk is lost. To go on: python run.py {' '.join(words)}"
    assert said.splitlines().count(line) == 1


@pytest.mark.system
def test_a_lost_terminal_ends_a_training_with_a_checkpoint(tmp_path: Path) -> None:
    words = ("temperature=fixed", "energy=simulated", "training.epochs=500", "training.teacher.epochs=1")
    child, terminal = pty.fork()
    if child == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.chdir(tmp_path)
        os.environ.update(ENVIRONMENT | {"GREENKD_CACHE": str(tmp_path / "cache")})
        os.execv(sys.executable, [sys.executable, str(ROOT / "run.py"), *words])

    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("multirun/**/epochs.jsonl")):
        assert time.monotonic() < deadline
        os.read(terminal, 1 << 16)
    os.close(terminal)  # what a dropped connection does
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 130
    (file,) = tmp_path.glob("multirun/**/trials.jsonl")
    (row,) = read_rows(file, TrialRow).rows
    assert row.status is TrialStatus.INTERRUPTED
    assert (file.parent / "trials" / "0" / "checkpoint.safetensors").exists()
