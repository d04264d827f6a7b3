"""Campaigns of earlier versions, which put neither class names nor normalisation on record."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from greenkd.anchors import ANCHOR_GRIDS
from greenkd.data import data_record, load, task_of
from greenkd.errors import ConfigError, DataError
from greenkd.records import CampaignRecord, DataRecord

log = logging.getLogger(__name__)


def describe_data(config: Mapping[str, Any], record: CampaignRecord, folder: Path) -> tuple[DataRecord, bool]:
    """Returns what a campaign's record would say of its data set, had today's version begun it.

    The data set is read again and held against the fingerprint on record. Where it is not at hand, the configuration
    tells the normalisation of the data sets that have a published one; classes then have numbers for names.

    Args:
        config: The campaign's configuration.
        record: The campaign's.
        folder: The campaign's, for messages.

    Returns:
        The record, and whether classes are numbered in it.

    Raises:
        DataError: The data set is not at hand, or is another one, and the configuration does not tell enough.
    """
    group = config["dataset"]
    try:
        options, dataset = load(group, smoke=bool(config.get("smoke")))
        if record.data_fingerprint in (None, dataset.fingerprint):
            return data_record(options, dataset), False
        reason = "other images lie there now"
    except (DataError, ConfigError) as error:
        reason = str(error)

    if not group.get("mean") or not group.get("std"):
        raise DataError(
            f"{folder}: an earlier version began this campaign and recorded neither class names nor normalisation, and "
            f"its data set cannot be read again ({reason}); put it there, or begin the command from where data_dir lies"
        )
    log.warning("%s: the classes' names are not on record (%s); they are numbered", folder, reason)
    return _from_config(group), True


def _from_config(group: Mapping[str, Any]) -> DataRecord:
    """Returns what a dataset option says of its images; what a smoke run makes up has their shape."""
    shape, grid = group["generated"], ANCHOR_GRIDS.get(group.get("anchors", ""))
    return DataRecord(
        task=task_of(group),
        class_names=tuple(map(str, range(shape["num_classes"]))),
        in_channels=shape["in_channels"],
        image_size=shape["image_size"] if grid is None else grid.image_size,
        mean=tuple(group["mean"]),
        std=tuple(group["std"]),
        anchors=None if grid is None else grid.name,
    )
