"""Tiny files in the official layouts of the public data sets."""

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image


def python2_pickle(fields: dict[str, object]) -> bytes:
    """A protocol-2 pickle with Python-2 byte strings, written opcode by opcode as the official files have it."""
    out = io.BytesIO()
    out.write(b"\x80\x02}(")
    for key, value in fields.items():
        out.write(_string(key.encode()) + _value(value))
    out.write(b"u.")
    return out.getvalue()


def _string(raw: bytes) -> bytes:
    return b"U" + bytes([len(raw)]) + raw if len(raw) < 256 else b"T" + len(raw).to_bytes(4, "little") + raw


def _value(value: object) -> bytes:
    if isinstance(value, np.ndarray):
        rows, columns = (b"J" + int(n).to_bytes(4, "little") for n in value.shape)
        dtype = b"cnumpy\ndtype\n" + _string(b"u1") + b"K\x00K\x01\x87R(K\x03" + _string(b"|") + b"NNN"
        dtype += (b"J\xff\xff\xff\xff" * 2) + b"K\x00tb"
        start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + _string(b"b") + b"\x87R"
        return start + b"(K\x01" + rows + columns + b"\x86" + dtype + b"\x89" + _string(value.tobytes()) + b"tb"
    if isinstance(value, list):
        return b"](" + b"".join(_value(item) for item in value) + b"e"
    if isinstance(value, int):
        return b"J" + value.to_bytes(4, "little")
    return _string(str(value).encode())


def cifar10_files(seed: int = 0) -> tuple[dict[str, bytes], np.ndarray, list[int]]:
    """The seven files, and the training images [50, 3, 32, 32] and labels in their order."""
    rng = np.random.default_rng(seed)
    files = {"batches.meta": python2_pickle({"label_names": [f"c{n}" for n in range(10)]})}
    pixels, labels = [], []
    for name in [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]:
        data = rng.integers(0, 256, (10, 3072), dtype=np.uint8)
        numbers = rng.permutation(10).tolist()
        files[name] = python2_pickle({"data": data, "labels": numbers, "filenames": ["x.png"] * 10})
        if name != "test_batch":
            pixels.append(data)
            labels += numbers
    return files, np.concatenate(pixels).reshape(-1, 3, 32, 32), labels


def cifar100_files() -> dict[str, bytes]:
    rng = np.random.default_rng(1)
    files = {
        "meta": python2_pickle({"fine_label_names": [f"f{n}" for n in range(100)], "coarse_label_names": ["a"] * 20})
    }
    for name, per_class in (("train", 2), ("test", 1)):
        numbers = [n for n in range(100) for _ in range(per_class)]
        data = rng.integers(0, 256, (len(numbers), 3072), dtype=np.uint8)
        files[name] = python2_pickle({"data": data, "fine_labels": numbers, "coarse_labels": [0] * len(numbers)})
    return files


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def tar_gz(path: Path, files: dict[str, bytes], *extra: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for info in extra:
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    return path


def write_picture(path: Path, size: tuple[int, int] = (64, 64), mode: str = "RGB", seed: int = 0) -> np.ndarray:
    """Saves a smooth picture and returns the pixels that were given to the encoder, [H, W] or [H, W, C]."""
    rng = np.random.default_rng(seed)
    channels = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    coarse = rng.integers(0, 256, (4, 4, channels), dtype=np.uint8)
    picture = Image.fromarray(coarse.squeeze(), mode=mode).resize(size, Image.Resampling.BILINEAR)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return np.asarray(picture)


def write_tiny_imagenet(root: Path) -> Path:
    """Three classes in an order that is not alphabetical; two training and one test image each, one of them grey."""
    folder = root / "tiny-imagenet-200"
    wnids = ["n03", "n01", "n02"]
    for label, wnid in enumerate(wnids):
        for number in range(2):
            grey = label == 0 and number == 1
            write_picture(
                folder / "train" / wnid / "images" / f"{wnid}_{number}.JPEG",
                mode="L" if grey else "RGB",
                seed=10 * label + number,
            )
        (folder / "train" / wnid / f"{wnid}_boxes.txt").write_text("")
    annotations = []
    for number, label in enumerate([1, 0, 2]):
        write_picture(folder / "val" / "images" / f"val_{number}.JPEG", seed=100 + number)
        annotations.append(f"val_{number}.JPEG\t{wnids[label]}\t0\t0\t62\t62\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(annotations))
    (folder / "wnids.txt").write_text("\n".join(wnids) + "\n")
    (folder / "words.txt").write_text("n01\tgoldfish, Carassius auratus\nn02\tcrane\nn03\tbell\nn99\tnone of ours\n")
    return folder
