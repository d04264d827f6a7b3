"""`greenkd.load_student`: the network is the one that was tested, and predicts what was tested."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional as vision

import greenkd
from greenkd.anchors import ANCHOR_GRIDS
from greenkd.data import load_digits
from greenkd.data.digit_scenes import load_digit_scenes
from greenkd.errors import DataError
from greenkd.export import Classes, Found, Student
from greenkd.tasks.detection.average_precision import TrueBoxes, average_precision, mean_over_classes
from greenkd.tasks.detection.post_processing import Detections
from tests.campaigns import Campaign


@pytest.fixture(scope="module")
def student(digits: Campaign) -> Student:
    return greenkd.load_student(digits.folder)


def classes(student: Student, pictures: object) -> Classes:
    found = student.predict(pictures)  # type: ignore[arg-type]
    assert isinstance(found, Classes)
    return found


def test_it_is_the_student_that_was_chosen_and_scores_what_was_tested(student: Student, digits: Campaign) -> None:
    test = load_digits().test
    found = classes(student, test.images)
    right = sum(name == str(label) for name, label in zip(found.names, test.labels.tolist(), strict=True))
    assert right / len(test) == digits.record.test_score == student.test_score

    assert not student.network.training
    assert student.metric == "accuracy"
    assert digits.record.chosen_params is not None
    assert student.tau == digits.record.chosen_params["tau"]
    assert digits.record.data is not None
    assert student.class_names == digits.record.data.class_names == tuple("0123456789")


def test_what_the_network_takes_is_as_normalisation_says(student: Student) -> None:
    images = load_digits().test.images[:9]
    mean, std, image_size, in_channels = student.normalisation
    assert images.shape[1:] == (in_channels, image_size, image_size)
    by_hand = (images.double() / 255 - torch.tensor(mean).double()) / torch.tensor(std).double()
    torch.testing.assert_close(student.normalise(images), by_hand.float())
    with torch.inference_mode():
        torch.testing.assert_close(student.network(by_hand.float()), classes(student, images).logits)


def test_files_images_arrays_and_tensors_give_the_same(student: Student, tmp_path: Path) -> None:
    images = load_digits().test.images[:3]
    expected = classes(student, images)
    pictures = [Image.fromarray(image[0].numpy()) for image in images]
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for picture, path in zip(pictures, paths, strict=True):
        picture.convert("RGB").save(path)

    for given in (images.numpy(), pictures, paths, [str(path) for path in paths]):
        assert torch.equal(classes(student, given).logits, expected.logits)
    torch.testing.assert_close(classes(student, paths[0]).logits, expected.logits[:1])
    assert classes(student, []).labels.shape == (0,)


def test_a_larger_picture_is_resized_and_cut_as_torchvision_does(student: Student) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 24), "uint8")
    picture = Image.fromarray(pixels)
    square = vision.center_crop(vision.resize(picture, 8), [8, 8])
    assert torch.equal(classes(student, picture).logits, classes(student, vision.pil_to_tensor(square)[None]).logits)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (torch.zeros(2, 1, 8, 8), r"torch.float32; give uint8 \[N, 1, 8, 8\], pixels from 0 to 255"),
        (torch.zeros(1, 8, 8, dtype=torch.uint8), r"the shape \[1, 8, 8\]; give uint8 \[N, 1, 8, 8\]"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), r"the shape \[2, 3, 8, 8\]"),
        (torch.zeros(2, 1, 9, 9, dtype=torch.uint8), "or files or PIL images, which are resized"),
        ("nowhere.png", "nowhere.png: .*No such file.*; give a path, a PIL image"),
        ([3], "a int is no picture; give a path"),
        (3, "a int is no picture; give a path"),
    ],
)
def test_what_is_no_picture_is_refused(student: Student, pictures: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        student.predict(pictures)  # type: ignore[arg-type]


def test_detections_are_those_that_were_scored(scenes: Campaign) -> None:
    student = greenkd.load_student(scenes.folder)
    test = load_digit_scenes(anchors=ANCHOR_GRIDS["digit_scenes"], train_scenes=150, test_scenes=20).test
    found = student.predict(test.images)
    assert isinstance(found, list)
    assert all((one.scores.diff() <= 0).all() for one in found), "the surest first"

    numbers = torch.tensor([number for number, one in enumerate(found) for _ in one.names])
    boxes, labels, scores = (torch.cat([one[place] for one in found]) for place in (0, 1, 3))
    truth = TrueBoxes(test.boxes / test.size, test.labels, test.difficult)
    precisions = average_precision(Detections(numbers, boxes / 48, labels, scores), truth, 10)
    assert mean_over_classes(precisions.eleven_points) == pytest.approx(scenes.record.test_score, abs=1e-6)
    assert scenes.record.test_score > 0.01


def test_boxes_are_in_pixels_of_the_picture_as_it_was_given(scenes: Campaign) -> None:
    student = greenkd.load_student(scenes.folder)
    test = load_digit_scenes(anchors=ANCHOR_GRIDS["digit_scenes"], train_scenes=150, test_scenes=20).test
    scene = test.images[:1]
    larger = scene.repeat_interleave(2, dim=2).repeat_interleave(10, dim=3)  # shrunk again, it is the scene to the byte
    (small,), (wide,) = student.predict(scene), student.predict(larger)
    assert isinstance(small, Found)
    assert len(small.boxes) > 0
    torch.testing.assert_close(wide[0], small.boxes * torch.tensor([10.0, 2, 10, 2]))
    assert small.names[0] == student.class_names[small.labels[0]]

    (same,) = student.predict(Image.fromarray(scene[0, 0].numpy()))
    torch.testing.assert_close(same[0], small.boxes)
