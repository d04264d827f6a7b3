"""Data sets as uint8 tensors in memory, their splits, and augmentation of whole batches on the device."""

from greenkd.data.augmentation import Augmentation, Views
from greenkd.data.base import Dataset, Images
from greenkd.data.cifar import load_cifar10, load_cifar100
from greenkd.data.coco_folder import load_coco_folder
from greenkd.data.detection import DetectionDataset, DetectionImages
from greenkd.data.detection_augmentation import DetectionAugmentation, DetectionViews, MovedBoxes
from greenkd.data.digit_scenes import load_digit_scenes
from greenkd.data.digits import load_digits
from greenkd.data.generated import load_generated
from greenkd.data.image_folder import load_image_folder
from greenkd.data.normalisation import channel_statistics, normalise
from greenkd.data.on_record import data_record
from greenkd.data.options import (
    AnyDataset,
    AnyOptions,
    DatasetOptions,
    DetectionOptions,
    GeneratedScenes,
    GeneratedShape,
    check_config,
    load,
    task_of,
)
from greenkd.data.split import picture_split, stratified_split
from greenkd.data.tiny_imagenet import load_tiny_imagenet
from greenkd.data.voc import load_voc
from greenkd.data.yolo_folder import load_yolo_folder

__all__ = [
    "AnyDataset",
    "AnyOptions",
    "Augmentation",
    "Dataset",
    "DatasetOptions",
    "DetectionAugmentation",
    "DetectionDataset",
    "DetectionImages",
    "DetectionOptions",
    "DetectionViews",
    "GeneratedScenes",
    "GeneratedShape",
    "Images",
    "MovedBoxes",
    "Views",
    "channel_statistics",
    "check_config",
    "data_record",
    "load",
    "load_cifar10",
    "load_cifar100",
    "load_coco_folder",
    "load_digit_scenes",
    "load_digits",
    "load_generated",
    "load_image_folder",
    "load_tiny_imagenet",
    "load_voc",
    "load_yolo_folder",
    "normalise",
    "picture_split",
    "stratified_split",
    "task_of",
]
