"""`greenkd export` as a user types it."""

import importlib.util
from pathlib import Path

import pytest

from greenkd.__main__ import main
from tests.campaigns import Campaign


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["export", *map(str, arguments)]) == 2
    return capsys.readouterr().err


def test_the_help_lists_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "greenkd export FOLDER --format FORMAT" in capsys.readouterr().out


def test_a_file_and_its_card_are_written_and_never_replaced_unasked(
    digits: Campaign, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("export", str(digits.folder), "-o", str(tmp_path / "out"), "--format")
    model, card = tmp_path / "out" / "model.safetensors", tmp_path / "out" / "README.md"
    assert main([*command, "safetensors"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"written: {model}", f"written: {card}"]
    assert f"{model}: is there already; give --overwrite" in refused(capsys, *command[1:], "safetensors")

    # The card follows its files, until somebody has edited it
    assert main([*command, "torch"]) == 0
    said = capsys.readouterr().out
    assert "takes images: uint8 [batch, 1, 8, 8], pixels from 0 to 255, grey" in said
    assert "gives logits: float32 [batch, 10]" in said
    assert "model.pt2" in card.read_text()
    card.write_text("my own words")
    assert main([*command, "safetensors", "--overwrite"]) == 0
    assert card.read_text().startswith("---\nlicense: unknown")

    card.write_text("my own words")
    (tmp_path / "out" / "model.pt2").unlink()
    assert main([*command, "torch", "--input", "normalised"]) == 0
    assert f"kept: {card}" in capsys.readouterr().out
    assert card.read_text() == "my own words"


def test_the_default_place_is_inside_the_campaigns_folder(digits: Campaign) -> None:
    assert main(["export", str(digits.folder), "--format", "safetensors"]) == 0
    assert (digits.folder / "export" / "model.safetensors").is_file()


def test_mistakes_are_answered(
    digits: Campaign, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = digits.folder
    said = refused(capsys, folder, "--format", "onnx", "-o", tmp_path / "student.onnx")
    assert "give a folder; model.onnx and README.md are written into it" in said
    said = refused(capsys, folder, "--format", "safetensors", "--input", "pixels", "-o", tmp_path)
    assert "there is no graph, only weights" in said
    assert "is not there" in refused(capsys, tmp_path / "nowhere", "--format", "torch")
    with pytest.raises(SystemExit) as exit_of:
        main(["export", str(folder), "--format", "tflite"])
    assert exit_of.value.code == 2
    assert "invalid choice: 'tflite'" in capsys.readouterr().err

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else found(name))
    said = refused(capsys, folder, "--format", "onnx", "-o", tmp_path / "none")
    assert "needs onnxscript; pip install 'greenkd[export]'" in said
    assert not (tmp_path / "none" / "README.md").exists()
