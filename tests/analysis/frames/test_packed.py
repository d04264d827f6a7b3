from pathlib import Path

import pytest

import analysis
from greenkd.records.packing import SUFFIX, pack
from tests.analysis.sweeps import write_sweep


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder with one packed sweep."""
    sweep = write_sweep(tmp_path / "multirun" / "planted")
    pack(sweep, tmp_path / "study" / "records" / f"planted{SUFFIX}")
    return tmp_path / "study"


def test_a_packed_sweep_gives_the_numbers_of_the_sweep(study: Path) -> None:
    of_packed = analysis.compare(analysis.load(study))
    of_sweep = analysis.compare(analysis.load(study.parent / "multirun" / "planted"))
    assert of_packed.table.to_csv() == of_sweep.table.to_csv()
    assert of_packed.notes == of_sweep.notes
    assert not of_packed.sweep.problems

    said = [[verdict.sentence for verdict in analysis.verdicts(one)] for one in (of_packed, of_sweep)]
    assert said[0] == said[1]


def test_a_damaged_archive_is_named_and_the_others_are_read(study: Path) -> None:
    (study / f"broken{SUFFIX}").write_bytes(b"no archive")
    sweep = analysis.load(study)
    assert len(sweep.campaigns)
    assert [problem.where for problem in sweep.problems] == [str(study / f"broken{SUFFIX}")]


def test_verify_holds_packed_records_against_their_checksums(study: Path) -> None:
    assert analysis.verify([study]).problems == ()
    (study / f"broken{SUFFIX}").write_bytes(b"no archive")
    assert [Path(problem.where).name for problem in analysis.verify([study]).problems] == [f"broken{SUFFIX}"]
