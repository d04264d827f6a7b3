"""Keeps `threads=1` and `threads=auto` apart, which share ids, where they are not the same number.

Earlier versions did not count the number of threads as a part of an identity. Their campaigns keep their ids, most of
which were run by `auto`, and some, as all small networks are now, by one.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from greenkd.campaign.settings import Settings
from greenkd.errors import ConfigError
from greenkd.records import CampaignRecord, read_bytes
from greenkd.training.backend.threads import Threads, resolve_threads


def check_threads(path: Path, record: CampaignRecord | None, settings: Settings) -> None:
    """Refuses to go on with, or to return, what another number of threads has computed.

    Args:
        path: The campaign's folder.
        record: What is on record in it.
        settings: What is asked for now.

    Raises:
        ConfigError: The numbers of student or teacher differ.
    """
    kept = _kept_threads(path)
    if record is None or kept is None or kept == settings.threads:
        return

    recipe, teacher = settings.training.recipe, record.teacher_result
    networks = [(record.student_network, recipe.batch_size)]
    if teacher is not None:
        networks.append((teacher.network, settings.training.teacher_recipe().batch_size))

    for network, batch_size in networks:
        if network is None or network.forward_flops_per_image is None:
            continue
        forward_flops = network.forward_flops_per_image * batch_size
        then, now = resolve_threads(kept, forward_flops), resolve_threads(settings.threads, forward_flops)
        if then != now:
            raise ConfigError(
                f"{path}: was begun with threads={kept}, which is {then} for {network.name}, not {now}: the number is "
                f"part of the result; give threads={kept}, or sweep=<new name>"
            )


def keeps_threads(path: Path, settings: Settings) -> bool:
    """Tells whether a campaign was begun with the very setting; a quick look, for thousands of campaigns.

    Args:
        path: The campaign's folder.
        settings: What is asked for now.
    """
    content = read_bytes(path / "config.yaml") or b""
    found = re.search(rb"^threads: (\w+)$", content, re.MULTILINE)
    return found is not None and found[1].decode() == str(settings.threads)


def _kept_threads(path: Path) -> Threads | None:
    """Returns the setting that the campaign was begun with; None where that cannot be read."""
    try:
        kept = yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))
    except (FileNotFoundError, yaml.YAMLError, UnicodeDecodeError):
        return None
    threads = kept.get("threads") if isinstance(kept, Mapping) else None
    return threads if threads == "auto" or isinstance(threads, int) else None
