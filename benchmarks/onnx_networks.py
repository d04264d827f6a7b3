"""How exactly ONNX files of networks with drawn weights say what PyTorch says.

python -m benchmarks.onnx_networks FOLDER wrn_16_1 vgg8 resnet18

FOLDER is any finished campaign's: exported files bear its facts. Needs `pip install -e '.[dev]'`.
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

import greenkd
from greenkd.components import build
from greenkd.export.facts import StudentFacts
from greenkd.export.formats import FORMATS
from greenkd.export.graph import Graph
from greenkd.export.student import Student
from greenkd.network_cards import read_network_cards
from greenkd.records import DataRecord
from greenkd.tasks import task_on_record


def main() -> None:
    """Prints, for each network, the largest difference of each output as a share of its largest value."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER")
    parser.add_argument("networks", metavar="NETWORK", nargs="+")
    options = parser.parse_args()

    facts = greenkd.load_student(options.folder).facts
    for name in options.networks:
        student = drawn_student(name, facts)
        data = student.facts.data
        images = torch.randint(0, 256, (2, data.in_channels, data.image_size, data.image_size), dtype=torch.uint8)

        with torch.no_grad():
            student.network.train()(student.normalise(images))  # running means of batch norms that are not 0 and 1
            student.network.eval()
            wanted = Graph(student, pixels=True)(images)
        with tempfile.TemporaryDirectory() as place:
            path = Path(place, "model.onnx")
            FORMATS["onnx"].write(student, path, True)
            given = onnxruntime.InferenceSession(path).run(None, {"images": images.numpy()})

        wanted = (wanted,) if isinstance(wanted, torch.Tensor) else wanted
        shares = [float(np.abs(a - b.numpy()).max() / b.abs().max()) for a, b in zip(given, wanted, strict=True)]
        print(name, *(f"{share:.1e}" for share in shares), flush=True)


def drawn_student(name: str, facts: StudentFacts) -> Student:
    """Returns a student of a network with drawn weights, for the images that its card is about."""
    card = read_network_cards()[name]
    channels, side, _ = card.input_shape
    data = DataRecord(
        task=card.task,
        class_names=tuple(map(str, range(card.num_classes))),
        in_channels=channels,
        image_size=side,
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
        anchors=card.anchors or None,
    )
    torch.manual_seed(0)
    given = task_on_record(data).given(data)
    network = build({"_target_": f"greenkd.models.{name}"}, where="student", expect=nn.Module, given=given)
    return Student(network=network, facts=dataclasses.replace(facts, data=data), device=torch.device("cpu"))


if __name__ == "__main__":
    main()
