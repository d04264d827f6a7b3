"""docs/networks.md states the sizes that the networks have."""

import sys
from pathlib import Path

import pytest

from scripts import network_table as table

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"


@pytest.mark.slow
@pytest.mark.nightly  # builds and counts every network; their sizes are held in test_registry.py too
def test_the_page_holds_the_table_of_today() -> None:
    text = PAGE.read_text(encoding="utf-8")
    stated = text.partition(table.BEGIN)[2].partition(table.END)[0]
    assert stated == table.table(), "run: python -m scripts.network_table --write docs/networks.md"


def test_write_replaces_what_stands_between_the_markers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.BEGIN}old\n{table.END}after\n", encoding="utf-8")
    monkeypatch.setattr(table, "table", lambda: "new\n")
    monkeypatch.setattr(sys, "argv", ["table", "--write", str(page)])
    table.main()
    assert page.read_text(encoding="utf-8") == f"before\n{table.BEGIN}new\n{table.END}after\n"


def test_a_page_without_markers_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("no markers\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["table", "--write", str(page)])
    with pytest.raises(SystemExit):
        table.main()
    assert page.read_text(encoding="utf-8") == "no markers\n"
