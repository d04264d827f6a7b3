"""What a stream cannot take is written so that a person can read it."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from greenkd.output_encoding import in_ascii, make_output_readable

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("τ 4 → 3 · CO₂eq", "t 4 > 3 - CO2eq"),
        ("−0.50 ± 0.1 × 10⁻³ …", "-0.50 +- 0.1 x 10-3 ."),
        ("µs, ½ of é and ö, ≤ 3", "us, 1/2 of e and o, <= 3"),
        ("日本 \udc80", "\\u65e5\\u672c \\udc80"),
    ],
)
def test_text_stays_readable_in_ascii(text: str, read: str) -> None:
    assert in_ascii(text) == read


@pytest.mark.parametrize(
    ("encoding", "errors", "written"),
    [
        ("utf-8", "strict", "τ × é".encode()),
        ("latin-1", "strict", "t × é".encode("latin-1")),
        ("ascii", "surrogateescape", b"t x e"),
        ("ascii", "replace", b"? ? ?"),  # the user's choice
    ],
)
def test_only_what_the_encoding_lacks_is_replaced(
    monkeypatch: pytest.MonkeyPatch, encoding: str, errors: str, written: bytes
) -> None:
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding=encoding, errors=errors))
    make_output_readable()
    print("τ × é", end="", flush=True)
    assert buffer.getvalue() == written


@pytest.mark.system
def test_a_sweep_and_its_analysis_under_a_c_locale(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C", "PYTHONUTF8": "0", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONIOENCODING", None)

    def said(*command: str) -> str:
        command = (sys.executable, *command)
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=300, check=False)
        text = (done.stdout + done.stderr).decode("ascii")
        assert done.returncode == 0, text
        for trouble in ("Traceback", "Logging error", "UnicodeEncodeError", "raised"):
            assert trouble not in text
        return text

    strategies = "temperature=fixed,stochastic"
    run = said(str(ROOT / "run.py"), "-m", strategies, "smoke=true", "energy=cpu_time", "sweep=c")
    assert "small_cnn > tiny_cnn" in run
    assert "CO2eq" in run
    assert "stochastic" in said("-m", "analysis", "multirun/c", "--report", "--format", "md")
    assert "τ" in (tmp_path / "multirun" / "c" / "comparison.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_nobody_reads_any_more_stops_nothing(unbuffered: str) -> None:
    script = (
        "import sys; from greenkd.output_encoding import make_output_readable; make_output_readable()\n"
        "sys.stdin.read()\n"
        "for _ in range(3): print('τ' * 100_000, flush=True)\n"
        "print('the end', file=sys.stderr)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.close()
    assert process.stderr.read() == "the end\n"
    assert process.wait(60) == 0
