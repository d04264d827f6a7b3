"""Exported files say what the network says, in other programs, on real test images, for batches of any size."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import greenkd
from greenkd.anchors import ANCHOR_GRIDS
from greenkd.data import load_digits
from greenkd.data.digit_scenes import load_digit_scenes
from greenkd.errors import ConfigError, StorageError
from greenkd.export import Found, Student
from greenkd.export.formats import FORMATS, KEY
from greenkd.tasks.detection.post_processing import LARGEST_OVERLAP, LEAST_SCORE
from tests.campaigns import Campaign

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra of development is not installed")


@pytest.fixture(scope="module")
def classifier(digits: Campaign) -> Student:
    return greenkd.load_student(digits.folder)


@pytest.fixture(scope="module")
def detector(scenes: Campaign) -> Student:
    return greenkd.load_student(scenes.folder)


def scenes_of(count: int) -> Tensor:
    return load_digit_scenes(anchors=ANCHOR_GRIDS["digit_scenes"], train_scenes=150, test_scenes=20).test.images[:count]


def run_onnx(path: Path, images: Tensor) -> tuple[list[Any], dict[str, Any]]:
    session = onnxruntime.InferenceSession(path)
    return session.run(None, {"images": images.numpy()}), json.loads(session.get_modelmeta().custom_metadata_map[KEY])


def by_hand(student: Student, images: Tensor) -> np.ndarray[Any, Any]:
    mean, std, *_ = student.normalisation
    normalised = (images.float() / 255 - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(std).view(-1, 1, 1)
    with torch.inference_mode():
        return student.network(normalised).numpy()


def test_onnx_of_a_classifier_takes_pixels(classifier: Student, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    FORMATS["onnx"].write(classifier, path, True)
    images = load_digits().test.images[:30]
    (logits,), facts = run_onnx(path, images)
    np.testing.assert_allclose(logits, by_hand(classifier, images), atol=1e-4)
    np.testing.assert_allclose(run_onnx(path, images[:1])[0][0], logits[:1], atol=1e-4)

    assert facts["input"]["dtype"] == "uint8"
    assert facts["student"]["data"]["class_names"] == list("0123456789")
    assert facts["student"]["params"]["tau"] == classifier.tau
    assert facts["student"]["test"]["score"] == classifier.test_score
    assert facts["student"]["costs"]["choosing"]["energy_kwh"] == classifier.facts.costs.choosing.energy_kwh
    assert facts["exported_by"] == f"greenkd {greenkd.__version__}"


def test_onnx_of_a_detector_gives_boxes_and_scores_for_any_suppression(detector: Student, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    FORMATS["onnx"].write(detector, path, True)
    images = scenes_of(3)
    (boxes, scores), facts = run_onnx(path, images)
    outputs = by_hand(detector, images)
    soft = np.exp(outputs[..., :11]) / np.exp(outputs[..., :11]).sum(axis=2, keepdims=True)
    np.testing.assert_allclose(scores, soft[..., 1:], atol=1e-4)
    assert f"scores above {LEAST_SCORE}, non-maximum suppression at an overlap of {LARGEST_OVERLAP}" in facts["after"]

    # The surest of each picture is what the student itself finds there.
    found = detector.predict(images)
    for number, one in enumerate(found):
        assert isinstance(one, Found)
        anchor, label = np.unravel_index(scores[number].argmax(), scores[number].shape)
        assert one.labels[0] == label
        np.testing.assert_allclose(boxes[number, anchor] * 48, one.boxes[0], atol=1e-2)


@pytest.mark.parametrize("pixels", [True, False], ids=["pixels", "normalised"])
def test_a_program_runs_without_greenkd(pixels: bool, classifier: Student, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    facts = FORMATS["torch"].write(classifier, path, pixels)
    assert facts is not None
    assert facts.input["dtype"] == ("uint8" if pixels else "float32")

    images = load_digits().test.images[:30]
    extra = {f"{KEY}.json": ""}
    program = torch.export.load(path, extra_files=extra).module()
    outputs = program(images if pixels else classifier.normalise(images)).detach().numpy()
    np.testing.assert_allclose(outputs, by_hand(classifier, images), atol=1e-4)
    assert json.loads(extra[f"{KEY}.json"])["student"]["campaign_id"] == classifier.facts.campaign_id


def test_a_program_of_a_detector_takes_batches_of_any_size(detector: Student, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    FORMATS["torch"].write(detector, path, True)
    program = torch.export.load(path).module()
    assert [tuple(output.shape) for output in program(scenes_of(5))] == [(5, 360, 4), (5, 360, 10)]


def test_safetensors_become_the_same_student_again(classifier: Student, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    assert FORMATS["safetensors"].write(classifier, path, True) is None
    images = load_digits().test.images[:30]
    for place in (path, tmp_path):
        again = greenkd.load_student(place)
        assert again.facts == classifier.facts
        assert torch.equal(again.predict(images)[3], classifier.predict(images)[3])  # type: ignore[arg-type]

    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(StorageError, match="does not match its digest"):
        greenkd.load_student(path)


def test_a_network_that_cannot_be_captured_is_named(classifier: Student, tmp_path: Path) -> None:
    class Counting(torch.nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.reshape(len(images), -1)

    student = Student(network=Counting(), facts=classifier.facts, device=classifier.device)
    with pytest.raises(ConfigError, match=r"torch.export cannot capture this network .*take images.shape\[0\] for len"):
        FORMATS["torch"].write(student, tmp_path / "model.pt2", True)
