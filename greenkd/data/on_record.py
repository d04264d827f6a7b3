"""What is put on record about a data set, for those who use a student without having the data."""

from greenkd.data.detection import DetectionDataset
from greenkd.data.options import AnyDataset, AnyOptions
from greenkd.records import DataRecord


def data_record(options: AnyOptions, dataset: AnyDataset) -> DataRecord:
    """Returns what a network's outputs are called, and how pixels are prepared for it.

    Args:
        options: As `load` returns them, mean and standard deviation filled in.
        dataset: The data set.
    """
    return DataRecord(
        task=options.task,
        class_names=tuple(dataset.class_names),
        in_channels=dataset.in_channels,
        image_size=dataset.image_size,
        mean=tuple(options.mean),
        std=tuple(options.std),
        anchors=dataset.anchors.name if isinstance(dataset, DetectionDataset) else None,
    )
