"""What is on record about a campaign's data set: what anybody who uses the student has to know of it."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataRecord:
    """What a network's outputs are called, and how pixels are prepared for it."""

    task: str  # classification or detection
    class_names: tuple[str, ...]  # in the order of the labels; the background is none of them
    in_channels: int  # 1 for grey, 3 for RGB
    image_size: int  # height and width in pixels of what networks see
    mean: tuple[float, ...]  # per channel, in units of [0, 1]; a network sees (pixel / 255 - mean) / std
    std: tuple[float, ...]
    anchors: str | None = None  # the preset of a detector's anchors; None in classification

    @property
    def num_classes(self) -> int:
        """Number of classes, without the background."""
        return len(self.class_names)
