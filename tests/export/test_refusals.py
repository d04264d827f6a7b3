"""What is no finished campaign, or was changed since, gives no student; each message says what to do."""

import shutil
from pathlib import Path

import pytest
import yaml

import greenkd
from greenkd.errors import ConfigError, DataError, GreenkdError, StorageError
from greenkd.export.earlier_records import describe_data
from greenkd.records import CampaignStatus
from tests.campaigns import Campaign, composed
from tests.export.conftest import Edited

EARLIER = Path(__file__).parents[1] / "records" / "written_by_0_1" / "sweep"


def test_folders_of_other_kinds_are_told_apart(digits: Campaign, tmp_path: Path) -> None:
    root = digits.folder.parents[5]
    (teacher,) = (root / "cache" / "teachers").glob("*/teacher.json")
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "pool.json").write_text("{}")
    (tmp_path / "model.onnx").touch()

    for folder, message in {
        root: f"campaigns are below it; give one of\n  {digits.folder}",
        teacher.parent: "is a cached teacher; what is used is a student",
        tmp_path / "pool": "is a pool of synthetic images",
        tmp_path: "holds no campaign; give the folder with its campaign.json",
        tmp_path / "nowhere": "is not there",
        digits.folder / "config.yaml": "cannot be read",
        tmp_path / "model.onnx": "is a graph, for programs without greenkd",
    }.items():
        with pytest.raises(GreenkdError) as refused:
            greenkd.load_student(folder)
        assert message in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": CampaignStatus.RUNNING}, "has not finished, so no student is chosen; run its command again: "),
        ({"status": CampaignStatus.FAILED, "tests": (), "message": "no"}, r"the campaign failed \(no\)"),
        ({"refused": True, "message": "disk full"}, r"has not finished \(disk full\)"),
        ({"test_score": None}, "has not finished"),
    ],
)
def test_a_campaign_without_a_student_is_refused(changes: dict[str, object], message: str, edited: Edited) -> None:
    with pytest.raises(ConfigError, match=message):
        greenkd.load_student(edited(**changes))


def test_a_campaign_that_is_not_complete_but_has_chosen_gives_its_student(edited: Edited) -> None:
    student = greenkd.load_student(edited(status=CampaignStatus.PARTIAL, message="1 of 3 trials failed"))
    assert student.facts.message == "1 of 3 trials failed"


@pytest.mark.parametrize("name", ["student.safetensors", "config.yaml", "campaign.json", "trials.jsonl"])
def test_whatever_was_changed_since_is_not_used(name: str, digits: Campaign, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(digits.folder, folder)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(StorageError, match=r"was changed since|cannot be decoded"):
        greenkd.load_student(folder)


def test_missing_and_foreign_weights_are_refused(digits: Campaign, edited: Edited) -> None:
    assert digits.record.chosen_trial is not None
    folder = edited(chosen_trial=1 - digits.record.chosen_trial)
    with pytest.raises(StorageError, match=r"holds trial \d, campaign.json chose trial \d"):
        greenkd.load_student(folder)
    (folder / "student.safetensors").unlink()
    with pytest.raises(StorageError, match=r"student.safetensors: is missing, so there is no student; run its command"):
        greenkd.load_student(folder)


def test_code_of_the_folders_own_runs_only_where_it_is_trusted(edited: Edited) -> None:
    folder = edited()
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["student"]["_target_"] = "greenkd.models.small.tiny_cnn"  # not the registered name: as good as anybody's
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError, match=r"its network is greenkd\.models\.small\.tiny_cnn.*trust=True"):
        greenkd.load_student(folder)
    assert greenkd.load_student(folder, trust=True).class_names[0] == "0"


def test_a_folder_of_greenkd_0_1_is_loaded_with_the_names_of_its_data_set() -> None:
    (folder,) = EARLIER.glob("digits/*/kd/stochastic/seed0-*")
    student = greenkd.load_student(folder)
    assert student.class_names == tuple("0123456789")
    assert student.tau is None
    assert student.normalisation.image_size == 8


def test_classes_are_numbered_where_nobody_knows_their_names(digits: Campaign, tmp_path: Path) -> None:
    config = composed("dataset=cifar100", f"data_dir={tmp_path}")
    data, numbered = describe_data(config, digits.record, tmp_path)
    assert numbered
    assert data.class_names == tuple(map(str, range(100)))
    assert (data.image_size, data.in_channels, data.mean) == (32, 3, (0.5071, 0.4865, 0.4409))

    own = composed("dataset=image_folder", f"data_dir={tmp_path}")
    with pytest.raises(DataError, match="an earlier version began this campaign and recorded neither class names"):
        describe_data(own, digits.record, tmp_path)
