"""A network's card is read from the source, without importing it, and shows what is known."""

import subprocess
import sys
from pathlib import Path

import pytest

from greenkd import network_cards
from greenkd.network_cards import NetworkCard, read_network_cards

ROOT = Path(__file__).parents[1]
CARDS = read_network_cards()

DECLARATION = '''
@register_network(parameters=7, macs={macs}, teacher="resnet8", student="resnet8")
def mine(num_classes: int, in_channels: int = 3, image_size: int = 32, *, depth: int{depth}) -> nn.Module:
    """Mine."""
'''


def test_reading_the_cards_needs_no_torch() -> None:
    code = "import sys, greenkd.configuration as c; c.register_configuration(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_card_shows_what_is_known_of_a_network() -> None:
    text = str(CARDS["shufflenet_v2"])
    assert "\n    1,356,104 parameters, 45.1 MMAC (3×32×32, 100 classes)\n" in text
    assert "\n    70.34 % on CIFAR-100 alone (Tf-KD: Yuan et al., CVPR 2020, 200 epochs)\n" in text
    assert "student.stem_kernel=3" in text
    assert "1,442 parameters, 0.0232 MMAC (1×8×8, 10 classes)" in str(CARDS["tiny_cnn"])
    assert "1,083 MMAC" in str(CARDS["resnet32x4"])
    text = str(CARDS["ssdlite300_mobilenet_v2"])
    assert "3,383,876 parameters, 661 MMAC (3×300×300, 20 classes, anchors ssdlite300)" in text
    assert "68.60 mAP on VOC 2007 alone (qfgaohao/pytorch-ssd" in text


def test_a_declaration_is_read_with_its_own_settings(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(DECLARATION.format(macs="1_000", depth=" = 2"), encoding="utf-8")
    card = NetworkCard(
        name="mine",
        description="Mine.",
        arguments={"depth": 2},
        parameters=7,
        macs=1000,
        teacher="resnet8",
        student="resnet8",
    )
    assert read_network_cards(tmp_path) == {"mine": card}
    assert card.option() == {"name": "mine", "_target_": "greenkd.models.mine", "depth": 2}


@pytest.mark.parametrize(
    ("macs", "depth", "message"),
    [
        ("SIZE", " = 2", r"mine\.py:2: macs=SIZE is no literal"),
        ("10 ** 3", " = 2", r"mine\.py:2: macs=10 \*\* 3 is no literal"),
        ("1", " = DEPTH", r"mine\.py:3: depth=DEPTH is no literal"),
        ("1", "", r"mine\.py:3: depth has no default"),
        ("1, colour=3", " = 2", r"mine\.py:2: @register_network of mine: .*'colour'"),
    ],
)
def test_what_cannot_be_read_is_named_with_file_and_line(tmp_path: Path, macs: str, depth: str, message: str) -> None:
    (tmp_path / "mine.py").write_text(DECLARATION.format(macs=macs, depth=depth), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_network_cards(tmp_path)


def test_the_command_shows_all_networks_or_the_cards_that_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["network_cards"])
    network_cards.main()
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(CARDS)

    monkeypatch.setattr(sys, "argv", ["network_cards", "resnet20", "cnn"])
    network_cards.main()
    assert capsys.readouterr().out == f"{CARDS['resnet20']}\n\n{CARDS['cnn']}\n"

    monkeypatch.setattr(sys, "argv", ["network_cards", "resnet21"])
    with pytest.raises(SystemExit):
        network_cards.main()
    assert "no network is named resnet21" in capsys.readouterr().err
