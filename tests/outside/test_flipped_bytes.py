"""One byte of a finished sweep is another one: it is noticed, wherever it stands, and counts in no table."""

import dataclasses
import json
import random
import re
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import analysis
from analysis.cli import main
from greenkd.campaign.folder import CampaignFolder, extend_manifest_of
from greenkd.errors import AnalysisError
from greenkd.records import CampaignStatus, LedgerRow, append_row, find_campaigns, read_rows
from tests.campaigns import Campaign

TRIES = 5  # of each kind of file
KINDS = (
    "multirun/**/campaign.json",
    "multirun/**/config.yaml",
    "multirun/**/manifest.json",
    "multirun/**/trials.jsonl",
    "multirun/**/epochs.jsonl",
    "multirun/**/steps.jsonl",
    "multirun/**/tests.jsonl",
    "multirun/**/ledger.jsonl",
    "multirun/**/student.safetensors",
    "cache/teachers/*/teacher.json",
    "cache/teachers/*/ledger.jsonl",
    "cache/teachers/*/epochs.jsonl",
    "cache/teachers/*/weights.safetensors",
    "cache/logits/*/ledger.jsonl",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("finished")
    Campaign(root, "temperature=stochastic", "training.bank=true")
    return root


def flipped(path: Path) -> Iterator[int]:
    """Yields positions at which a byte of the file is another one meanwhile, drawn by its name."""
    content, draw = path.read_bytes(), random.Random(path.name)
    for _ in range(TRIES):
        position, bits = draw.randrange(len(content)), draw.randrange(1, 256)
        path.write_bytes(content[:position] + bytes([content[position] ^ bits]) + content[position + 1 :])
        yield position
    path.write_bytes(content)


def meaning(path: Path) -> Any:
    """What stands in a file besides its checksums, whatever its white space; None where nothing can be told."""
    content = path.read_bytes()
    try:
        if path.suffix == ".safetensors":
            (length,) = struct.unpack_from("<Q", content)
            return json.loads(content[8 : 8 + length]), content[8 + length :]
        rows = [json.loads(line) for line in ([content] if path.suffix == ".json" else content.splitlines())]
        return [{k: v for k, v in row.items() if not re.fullmatch("[0-9a-f]{8}", str(v))} for row in rows]
    except ValueError:
        return None


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_byte_is_named_by_verify_or_changes_nothing(root: Path, kind: str) -> None:
    (path,) = root.glob(kind)
    assert analysis.verify([root / "multirun"]).problems == ()
    before = meaning(path)
    for position in flipped(path):
        named = [problem.where for problem in analysis.verify([root / "multirun"]).problems]
        harmless = before is not None and meaning(path) == before
        assert str(path) in named or harmless, f"byte {position} of {path.name}"
    assert analysis.verify([root / "multirun"]).problems == ()


@pytest.mark.parametrize("is_finished", [True, False])
@pytest.mark.parametrize("name", ["campaign.json", "trials.jsonl", "ledger.jsonl", "epochs.jsonl", "steps.jsonl"])
def test_what_was_changed_is_named_and_in_no_table(root: Path, tmp_path: Path, name: str, *, is_finished: bool) -> None:
    shutil.copytree(root / "multirun", tmp_path / "sweep")
    (path,) = (tmp_path / "sweep").rglob(name)
    if not is_finished:
        (path.parent / "manifest.json").unlink()
    content = path.read_bytes()
    digit = re.search(rb"[1-8]\d*[,}]", content)  # the first whole number, which stays one
    assert digit is not None
    path.write_bytes(content[: digit.start()] + b"9" + content[digit.start() + 1 :])

    if name == "campaign.json":
        with pytest.raises(AnalysisError, match=r"campaign\.json.* changed since"):
            analysis.load(tmp_path)
        return
    sweep = analysis.load(tmp_path)
    frame = getattr(sweep, path.stem)
    assert frame.empty or frame["val_score"].isna().all()  # what the ledger alone knows of a trial stays
    assert any(problem.where == str(path) and "changed since" in problem.what for problem in sweep.problems)


def test_the_command_says_so_and_the_report_too(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(root / "multirun", tmp_path / "sweep")
    assert main([str(tmp_path), "--verify"]) == 0
    assert "1 campaign, 14 files: all as written" in capsys.readouterr().out

    (path,) = tmp_path.rglob("student.safetensors")
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    assert main([str(tmp_path), "--verify"]) == 3
    assert f"{path}: was changed since its campaign finished" in capsys.readouterr().out
    assert main([str(tmp_path), "--report", "--format", "none"]) == 0
    assert "not as written: student.safetensors" in (tmp_path / "report.html").read_text()


def test_a_finished_campaign_stays_as_written_when_lines_are_added_or_it_is_asked_for_again(
    root: Path, tmp_path: Path
) -> None:
    shutil.copytree(root, tmp_path / "copy")
    (folder,) = find_campaigns(tmp_path / "copy")
    (row, *_) = read_rows(folder / "ledger.jsonl", LedgerRow).rows
    append_row(folder / "ledger.jsonl", row)
    assert analysis.verify([folder]).problems == ()

    # A row of the command's end is taken in; once it is, it cannot be cut off unseen.
    extend_manifest_of(folder)
    lines = (folder / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "ledger.jsonl").write_bytes(b"".join(lines[:-1]))
    (problem,) = analysis.verify([folder]).problems
    assert "was cut short" in problem.what

    # What was changed does not become true by being there at the next command's end.
    extend_manifest_of(folder)
    assert len(analysis.verify([folder]).problems) == 1


def test_a_campaign_that_lost_its_manifest_gets_one_and_one_that_goes_on_has_none(root: Path, tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, "temperature=stochastic", "training.bank=true")
    (campaign.folder / "manifest.json").unlink()
    Campaign(tmp_path, "temperature=stochastic", "training.bank=true")  # killed before it was written
    assert analysis.verify([campaign.folder]).problems == ()
    assert (campaign.folder / "manifest.json").exists()

    fresh = dataclasses.replace(campaign.record, status=CampaignStatus.RUNNING)
    CampaignFolder(campaign.folder, campaign.settings).begin(fresh, retry=True)
    assert not (campaign.folder / "manifest.json").exists()
