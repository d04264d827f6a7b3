"""Commands as a user types them, without importing torch for each: `python -m tests.system.forkserver`.

This process imports what the commands import and does nothing else. For every request, a line of JSON, it forks a child
that has the command's arguments, environment, folder and output files, runs it as `__main__`, and ends with its exit
code. That saves most of a command's CPU time; those whose start itself is under test are started afresh.
"""

import atexit
import errno
import json
import os
import re
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# What run.py and the analysis import sooner or later.
HEAVY = (
    "analysis.cli",
    "analysis.views.report",
    "codecarbon",
    "greenkd.campaign.campaign",
    "greenkd.campaign.workers.run",
    "greenkd.energy.cross_check",
    "greenkd.models",
    "greenkd.sweep.command",
    "greenkd.sweep.execution",
    "sklearn.datasets",
    "sklearn.model_selection",
    "statsmodels.stats.power",
    "torch._dynamo",
    "torch.utils.flop_counter",
)


class FullDisk:
    """An audit hook: from the first file on whose path a pattern fits, nothing new can be written in this folder."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)
        self._folder = Path.cwd()
        self._is_full = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            is_new = bool(set(str(arguments[1])) & set("wax")) or arguments[2] & (os.O_WRONLY | os.O_RDWR)
        else:
            is_new = event == "os.mkdir" and not Path(arguments[0]).is_dir()
        if not is_new or isinstance(arguments[0], int):
            return

        path = self._folder / os.fsdecode(arguments[0])
        self._is_full = self._is_full or self._pattern.search(str(path)) is not None
        if self._is_full and path.is_relative_to(self._folder):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def serve() -> None:
    """Answers requests until its input ends."""
    for name in HEAVY:
        __import__(name)
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    for line in requests:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            requests.close()
            answers.close()
            os._exit(run(request))
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def run(request: dict[str, Any]) -> int:
    """Runs one command in this process and returns its exit code."""
    for number, path in ((0, os.devnull), (1, request["stdout"]), (2, request["stderr"])):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
    if "FULL_FROM" in os.environ:
        sys.addaudithook(FullDisk(os.environ.pop("FULL_FROM")))
    code: object = 0
    try:
        if request["module"]:
            sys.argv = [request["module"], *request["arguments"]]
            runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        else:
            program = str(ROOT / "run.py")
            sys.argv = [program, *request["arguments"]]
            runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    serve()
