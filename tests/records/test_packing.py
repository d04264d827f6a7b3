import io
import lzma
import tarfile
from pathlib import Path

import pytest

from greenkd.errors import RecordError, StorageError
from greenkd.records.manifest import differences, read_manifest, write_manifest
from greenkd.records.packing import SUFFIX, find_packed, pack, unpack
from tests.analysis.sweeps import write_sweep

LEFT_OUT = ("student.safetensors", "study.db", "run.log", ".hydra/config.yaml", ".locks/queue.lock")


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """A sweep of four campaigns, each with what is packed and what is not."""
    folder = write_sweep(tmp_path / "multirun" / "planted")
    (folder / "processes.jsonl").write_text('{"pid":1}\n')
    (folder / "comparison.csv").write_text("strategy\n")
    (folder / "multirun.yaml").write_text("where: /somewhere\n")

    for campaign in folder.glob("*/*/*/*/*"):
        (campaign / "config.yaml").write_text("seed: 0\n")
        for name in LEFT_OUT:
            (campaign / name).parent.mkdir(exist_ok=True)
            (campaign / name).write_bytes(b"\x00" * 64)
        write_manifest(campaign)
    return folder


def archive_of(tmp_path: Path, *members: tarfile.TarInfo) -> Path:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    path = tmp_path / f"made{SUFFIX}"
    path.write_bytes(lzma.compress(buffer.getvalue()))
    return path


def test_records_come_back_byte_for_byte_and_nothing_else(sweep: Path, tmp_path: Path) -> None:
    archive = tmp_path / "study" / "records" / f"planted{SUFFIX}"
    count = pack(sweep, archive)
    folder = unpack(archive)

    back = {
        path.relative_to(folder): path for path in folder.rglob("*") if path.is_file() and path.name != "packed.json"
    }
    assert len(back) == count
    for name, path in back.items():
        if name.name != "manifest.json":
            assert path.read_bytes() == (sweep / name).read_bytes(), name

    kept = {path.relative_to(sweep) for path in sweep.rglob("*.json*")} | {
        path.relative_to(sweep) for path in sweep.rglob("config.yaml") if ".hydra" not in path.parts
    }
    assert back.keys() == kept


def test_manifests_name_what_is_there(sweep: Path, tmp_path: Path) -> None:
    folder = unpack_of(sweep, tmp_path)
    for campaign in folder.glob("*/*/*/*/*"):
        manifest = read_manifest(campaign)
        assert manifest is not None
        assert differences(campaign, manifest) == {}
        assert "ledger.jsonl" in manifest.files


def unpack_of(sweep: Path, tmp_path: Path) -> Path:
    archive = tmp_path / f"planted{SUFFIX}"
    pack(sweep, archive)
    return unpack(archive)


def test_one_sweep_gives_one_archive(sweep: Path, tmp_path: Path) -> None:
    first, second = tmp_path / f"a{SUFFIX}", tmp_path / f"b{SUFFIX}"
    pack(sweep, first)
    for path in sweep.rglob("*.jsonl"):
        path.touch()
    pack(sweep, second)
    assert first.read_bytes() == second.read_bytes()


def test_what_was_unpacked_is_kept_until_the_archive_is_another(sweep: Path, tmp_path: Path) -> None:
    archive = tmp_path / f"planted{SUFFIX}"
    pack(sweep, archive)
    folder = unpack(archive)
    (folder / "looks.json").write_text("{}")
    assert (unpack(archive) / "looks.json").exists()

    (sweep / "processes.jsonl").write_text('{"pid":2}\n')
    pack(sweep, archive)
    assert not (unpack(archive) / "looks.json").exists()
    assert (folder / "processes.jsonl").read_text() == '{"pid":2}\n'


def test_packed_sweeps_are_found_in_a_folder_and_one_below(tmp_path: Path) -> None:
    here, below = tmp_path / f"a{SUFFIX}", tmp_path / "records" / f"b{SUFFIX}"
    deeper = tmp_path / "records" / "deeper" / f"c{SUFFIX}"
    deeper.parent.mkdir(parents=True)
    for path in (here, below, deeper):
        path.touch()
    assert find_packed(tmp_path) == [here, below]


def test_another_ending_is_refused(sweep: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=SUFFIX):
        pack(sweep, tmp_path / "planted.zip")


@pytest.mark.parametrize("name", ["../outside.json", "/outside.json", "a/../../outside.json"])
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    member = tarfile.TarInfo(name)
    member.size = 3
    with pytest.raises(RecordError, match="another copy"):
        unpack(archive_of(tmp_path, member))
    assert not list(tmp_path.rglob("outside.json"))
    assert not list((tmp_path / "unpacked").iterdir())


def test_links_are_refused(tmp_path: Path) -> None:
    link = tarfile.TarInfo("campaign.json")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(RecordError, match=r"campaign\.json"):
        unpack(archive_of(tmp_path, link))


def test_an_archive_that_was_cut_short_is_refused(sweep: Path, tmp_path: Path) -> None:
    archive = tmp_path / f"planted{SUFFIX}"
    pack(sweep, archive)
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(RecordError, match="cut short"):
        unpack(archive)
