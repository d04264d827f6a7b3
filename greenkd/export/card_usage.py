"""The part of a model card that shows how each exported file is loaded."""

from collections.abc import Collection

from greenkd.export.facts import StudentFacts

_ONNX_DETECTION = """boxes, scores = session.run(None, {session.get_inputs()[0].name: images})"""
_ONNX_CLASSES = """(logits,) = session.run(None, {session.get_inputs()[0].name: images})"""


def usage_section(facts: StudentFacts, files: Collection[str]) -> str:
    """Returns the section of the card.

    Args:
        facts: The student's.
        files: Names of the exported files that lie beside the card.
    """
    data = facts.data
    shape = f"[N, {data.in_channels}, {data.image_size}, {data.image_size}]"
    parts = [_with_greenkd(facts)] if "model.safetensors" in files else []
    if "model.onnx" in files:
        parts.append(_with_onnx(facts))
    if "model.pt2" in files:
        parts.append(_with_torch(facts))

    mean, std = ([round(value, 6) for value in values] for values in (data.mean, data.std))
    kind = "grey" if data.in_channels == 1 else "RGB"
    parts.append(
        f"Images are {shape}, {kind}, channels first. Where a graph takes `float32`, it takes "
        f"(pixel / 255 − mean) / std, with mean {mean} and std {std}; where it takes `uint8`, it takes the pixels "
        "themselves. Its metadata, JSON under the key `greenkd`, say which, and name the classes."
    )
    return "## How to use it\n\n" + "\n\n".join(parts)


def _with_greenkd(facts: StudentFacts) -> str:
    result = "labels, names, probabilities, logits" if facts.data.anchors is None else "boxes, labels, names, scores"
    return _code(
        "With greenkd, `model.safetensors` (read without unpickling, held against its checksum):",
        "import greenkd",
        'student = greenkd.load_student("model.safetensors")',
        f'student.predict(["picture.png"])  # {result}',
    )


def _with_onnx(facts: StudentFacts) -> str:
    run = _ONNX_CLASSES if facts.data.anchors is None else _ONNX_DETECTION
    return _code(
        "With any ONNX runtime, `model.onnx`, in batches of any size:",
        "import json, numpy, onnxruntime",
        "from PIL import Image",
        f"images = {_pixels(facts)}",
        'session = onnxruntime.InferenceSession("model.onnx")',
        run,
        'facts = json.loads(session.get_modelmeta().custom_metadata_map["greenkd"])',
    )


def _pixels(facts: StudentFacts) -> str:
    """Returns the expression that turns a picture's file into a batch of one."""
    data = facts.data
    mode, order = ("L", "[None, None]") if data.in_channels == 1 else ("RGB", ".transpose(2, 0, 1)[None]")
    side = data.image_size
    return f'numpy.asarray(Image.open("picture.png").convert("{mode}").resize(({side}, {side}))){order}'


def _with_torch(facts: StudentFacts) -> str:
    data = facts.data
    return _code(
        "With PyTorch alone, `model.pt2`, a program of torch.export, in batches of any size:",
        "import torch",
        'network = torch.export.load("model.pt2").module()',
        f"network(torch.zeros(2, {data.in_channels}, {data.image_size}, {data.image_size}, dtype=torch.uint8))",
    )


def _code(heading: str, *lines: str) -> str:
    return "\n".join([heading, "", "```python", *lines, "```"])
