"""Hints on command lines that Hydra refuses: what was probably meant."""

import contextlib
import difflib
import sys
from collections.abc import Iterator

import yaml

from greenkd.configuration import CONF
from greenkd.sweep.terminal import show


@contextlib.contextmanager
def hints() -> Iterator[None]:
    """Adds the cure where Hydra refuses a mistyped name, or a line that looks right: `-m group=a,b group.key=…`."""
    try:
        yield
    except SystemExit as refused:
        if refused.code == 1:
            _hint_at_mistyped_names(sys.argv[1:])
            _hint_at_swept_groups(sys.argv[1:])
        raise


def _hint_at_mistyped_names(words: list[str]) -> None:
    """Names what is nearest to each group or setting that no configuration of ours has."""
    for word in words:
        name, equals, _ = word.partition("=")
        if not equals or name[:1] in "+~-":
            continue
        group, dot, rest = name.partition(".")
        key, tail_dot, tail = rest.partition(".")

        if near := _nearest(group, _groups_and_settings()):
            _hint(name, near + dot + rest)
        elif dot and (near := _nearest(key, _settings_of(group))):
            _hint(name, f"{group}.{near}{tail_dot}{tail}")


def _hint(name: str, meant: str) -> None:
    show(f"hint: {name}: did you mean {meant}?", style="yellow")


def _nearest(name: str, known: set[str]) -> str | None:
    """Returns the known name that is most like another; None where it is known itself, or like none of them."""
    near = [] if name in known else difflib.get_close_matches(name, sorted(known), n=1)
    return near[0] if near else None


def _groups_and_settings() -> set[str]:
    groups = {folder.name for folder in CONF.iterdir() if folder.is_dir()}
    return groups | set(yaml.safe_load((CONF / "config.yaml").read_text("utf-8"))) - {"defaults"}


def _settings_of(group: str) -> set[str]:
    """Returns the first keys below a group, of all its options together; none where there is no such group."""
    root = yaml.safe_load((CONF / "config.yaml").read_text("utf-8")).get(group)
    contents = [root, *(yaml.safe_load(file.read_text("utf-8")) for file in CONF.glob(f"{group}/*.yaml"))]
    return {str(key) for content in contents if isinstance(content, dict) for key in content} - {"defaults"}


def _hint_at_swept_groups(words: list[str]) -> None:
    """Names the first setting that belongs to one of several options swept over, if there is one."""
    swept = {word.partition("=")[0] for word in words if "," in word.partition("=")[2]}

    for word in words:
        setting = word.partition("=")[0]
        group, dot, _ = setting.lstrip("+~").partition(".")
        if dot and group in swept:
            show(
                f"hint: {setting} is a setting of one {group} option and cannot stand beside another in one -m. "
                "Run them one after the other (one sweep name compares them), or put it into an option file of your "
                "own, as conf/temperature/grid_coarse.yaml does.",
                style="yellow",
            )
            return
