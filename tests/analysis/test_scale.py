"""What thousands of campaigns rest on: work grows with the campaigns, and each file is opened as often as with few."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import analysis
from analysis.frames.groupby import rows_of
from analysis.frames.meters import meters_by_campaign
from greenkd.records import files
from tests.analysis.plans import standard_plans
from tests.analysis.sweeps import write_sweep


def opened_by(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    count = 0
    original = files.open_file

    def counting(path: Path, flags: int) -> int:
        nonlocal count
        count += 1
        return original(path, flags)

    with monkeypatch.context() as patch:
        patch.setattr(files, "open_file", counting)
        comparison = analysis.compare(analysis.load(folder))
        analysis.verdicts(comparison)
    return count


def test_files_are_opened_in_proportion_to_the_campaigns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    for settings in (1, 2, 4):
        folder = tmp_path / str(settings)
        for number in range(settings):
            plans = standard_plans(seeds=(0, 1), taus=(2, 4, 8), setting_id=f"{number:06x}", dataset=f"data{number}")
            write_sweep(folder, plans)
        opened.append(opened_by(folder, monkeypatch))

    one = opened[1] - opened[0]
    assert opened[2] - opened[1] == 2 * one
    assert one <= 12 * 4  # of each of four campaigns: record, configuration, three files of lines, and their manifest


def test_rows_are_those_of_pandas() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, float("inf")], "c": ["x", None], "d": [{"tau": 4.0}, (1, 2)]})
    assert rows_of(frame) == frame.to_dict("records")
    assert rows_of(frame.iloc[:0]) == []


def test_meters_of_each_campaign_are_told_from_its_own_rows() -> None:
    names = {"cpu_source": "modelled", "gpu_source": "absent", "ram_source": "constant", "method": "m", "scope": "s"}
    shared: dict[str, Any] = names | {"intensity_source": "table", "intensity_g_per_kwh": 56.0}
    ledger = pd.DataFrame(
        [
            {"campaign": 7, "phase": "student_training", "meter": "b 1", "pue": 1.0, **shared},
            {"campaign": 7, "phase": "validation", "meter": "a 1", "pue": 1.2, **shared},
            {"campaign": 7, "phase": "start_up", "meter": "c 1", "pue": 1.0, **shared},
            {"campaign": 3, "phase": "start_up", "meter": "c 1", "pue": 1.0, **shared},
        ]
    )

    meters = meters_by_campaign(ledger)
    assert list(meters) == [3, 7]
    assert meters[7]["meter"] == "a 1 + b 1"
    assert pd.isna(meters[7]["pue"])
    assert meters[7]["intensity_g_per_kwh"] == 56.0
    assert meters[3] == {
        "meter": "c 1",
        "method": "m",
        "scope": "s",
        "sources": "cpu modelled, gpu absent, ram constant",
        "pue": 1.0,
        "intensity_g_per_kwh": 56.0,
        "intensity_source": "table",
    }
