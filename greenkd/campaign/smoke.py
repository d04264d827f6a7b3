"""A configuration cut down to seconds, for `smoke=true`."""

from collections.abc import Mapping
from typing import Any

from greenkd.campaign.transfer_fit import shrunk_transfer
from greenkd.temperature.search_space import read_search_space


def shrink(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the same configuration cut down to seconds: two trials of two epochs, two values of what is searched.

    The images, a handful of the data set's shape, are made up by `greenkd.data.load`; batches are so small that an
    epoch has several, of which the last is smaller. CRD cuts its negatives to the images there are. Backbones start
    from random weights: nothing is fetched.
    """
    # The rate falls with the batch: at 0.1 and four images resnet152 diverges at once.
    short = {"epochs": 2, "batch_size": 4, "lr": 0.01, "warmup_epochs": 0, "milestones": []}
    training = {**config["training"], **short}
    teacher = training.get("teacher")
    if isinstance(teacher, Mapping):  # anything else is refused when the options are read
        training["teacher"] = {**teacher, "epochs": 1, "lr": None}

    objective = dict(config["objective"])
    if "warmup_epochs" in objective:
        objective["warmup_epochs"] = 1

    temperature = dict(config["temperature"])
    if "taus" in temperature:
        temperature["taus"] = temperature["taus"][:2]
        others = read_search_space(temperature.get("search"))
        if others:
            temperature["search"] = {key: list(domain.samples()[:2]) for key, domain in others.items()}
    for count in ("n_trials", "restarts"):
        if count in temperature:
            temperature[count] = 2
    if "min_epochs" in temperature:
        temperature["min_epochs"] = 1

    networks = {}
    for group in ("teacher", "student"):
        networks[group] = dict(config[group])
        if "pretrained_backbone" in networks[group]:
            networks[group] |= {"pretrained_backbone": False, "backbone_weights": None}
    changed = {"objective": objective, "training": training, "temperature": temperature}
    return {**config, **networks, **changed, "transfer": shrunk_transfer(config["transfer"], config["dataset"])}
