"""The jobs that Hydra will start for a command line, composed before the first of them runs.

Hydra composes a job in a fifth of a second, which for thousands of them would be an hour. Jobs that choose the same
options differ in plain values alone (`seed=0,1,2`), and those are put into a copy of what was composed for the first.
An option of a group changes nothing but the group, as a rule: where it does, jobs are put together from the options.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from greenkd.errors import ConfigError
from greenkd.sweep.combining import Composed
from greenkd.sweep.config_files import ConfigFiles
from greenkd.sweep.job import Job, as_job


def compose_jobs(config: DictConfig, check: Callable[[DictConfig], None]) -> list[Job]:
    """Composes every job that Hydra's own sweeper will start.

    Args:
        config: The command line's configuration, Hydra's own node included.
        check: Called with each configuration as Hydra composes it, before interpolations are resolved.

    Returns:
        Each job. Empty where another sweeper decides job by job: there is nothing to list beforehand then, and each
        job checks itself.

    Raises:
        ConfigError: A value is missing, or an interpolation leads nowhere.
    """
    if not str(config.hydra.sweeper._target_).endswith(".BasicSweeper"):
        return []

    loader = GlobalHydra.instance().config_loader()
    words = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    # As they were typed: ${oc.env:…} may stand for a password.
    typed: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    words += typed
    parser = OverridesParser.create(config_loader=loader)

    batches = BasicSweeper.split_arguments(parser.parse_overrides(words), max_batch_size=None)
    composer = _Composer(config, loader, parser, check)
    return composer.compose([job for batch in batches for job in batch])


def compose_command(
    folder: Path, overrides: Sequence[str], check: Callable[[DictConfig], None]
) -> tuple[DictConfig, list[Job]]:
    """Composes what `python run.py -m` with some overrides would, without Hydra's application.

    Args:
        folder: `conf/`.
        overrides: As typed.
        check: Called with each configuration as Hydra composes it, before interpolations are resolved.

    Returns:
        The command line's configuration, Hydra's own node included, and every job.

    Raises:
        ConfigError: It cannot be composed.
    """
    try:
        with initialize_config_dir(config_dir=str(folder.absolute()), version_base="1.3"):
            loader = GlobalHydra.instance().config_loader()
            config = loader.load_configuration("config", list(overrides), run_mode=RunMode.MULTIRUN)
            check(config)
            return config, compose_jobs(config, check)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(str(error)) from error


class _Composer:
    """Composes jobs, and keeps what was composed for those that differ from it in plain values and in options.

    Args:
        config: The command line's configuration.
        loader: Hydra's.
        parser: Of words of the command line.
        check: Called with what Hydra has composed.
    """

    def __init__(
        self,
        config: DictConfig,
        loader: ConfigLoader,
        parser: OverridesParser,
        check: Callable[[DictConfig], None],
    ) -> None:
        self._config = config
        self._loader = ConfigLoaderImpl(loader.get_search_path())
        self._loader.repository = self._files = ConfigFiles(loader.get_search_path())
        self._parser = parser
        self._check = check
        self._values: dict[str, dict[str, Any]] = {}  # by word
        self._groups: dict[str, str | None] = {}  # by word
        self._has_options: dict[str, bool] = {}  # by key
        self._like: dict[tuple[str, ...], Job | None] = {}  # by words, values left out; None: not to be copied
        self._options: dict[tuple[str, ...], dict[str, list[str]]] = {}  # by words, values and options left out
        self._first: dict[tuple[str, ...], Composed] = {}  # likewise
        self._parts: dict[tuple[str, ...], Job | None] = {}  # likewise, and an option; None: not to be taken alone

    def compose(self, jobs: Sequence[Sequence[str]]) -> list[Job]:
        """Returns the jobs that are given by their words."""
        choices = [self._choice(words) for words in jobs]
        for words in dict(zip(choices, jobs, strict=True)).values():
            options = self._options.setdefault(self._kind(words), {})
            for word in words:
                if (group := self._group(word)) is not None and word not in options.setdefault(group, []):
                    options[group].append(word)

        return [self._compose(words, choice) for words, choice in zip(jobs, choices, strict=True)]

    def _compose(self, words: Sequence[str], choice: tuple[str, ...]) -> Job:
        if choice not in self._like:
            combined = self._combined(words)
            if combined is not None:
                self._like[choice] = combined

        like = self._like.get(choice)
        if like is None:
            return self._by_hydra(words).job
        for key, value in self._values_of(words).items():
            like = like.with_value(key, value)
        return like

    def _by_hydra(self, words: Sequence[str]) -> Composed:
        config = self._loader.load_sweep_config(self._config, list(words))
        self._check(config)
        composed = Composed(tuple(words), config, as_job(config))

        self._like.setdefault(
            self._choice(words), composed.job if composed.may_change(self._values_of(words)) else None
        )
        self._first.setdefault(self._kind(words), composed)
        return composed

    def _combined(self, words: Sequence[str]) -> Job | None:
        """Returns a job put together from the options' parts, each composed once beside the first job's other options.

        Its values may be those of other jobs. None where it is the first of its kind, or where an option reaches
        further than its own group.
        """
        kind = self._kind(words)
        first = self._first.get(kind)
        if first is None or not first.may_change(self._values_of(words)):
            return None

        options = self._options.pop(kind, None)
        if options is not None:
            self._take_parts(kind, first, options)

        combined = first.job
        for word in words:
            group = self._group(word)
            if group is None or word in first.words:
                continue
            if (*kind, word) not in self._parts:
                self._parts[*kind, word] = self._with_options(first, {group: word})
            part = self._parts[*kind, word]
            if part is None:
                return None
            combined = combined.with_group(group, part)
        return combined

    def _take_parts(self, kind: tuple[str, ...], first: Composed, options: Mapping[str, Sequence[str]]) -> None:
        """Composes options of all groups at a time, where these set nothing but their groups, and keeps the parts."""
        further = {
            group: [
                word
                for word in words
                if word not in first.words and self._files.sets_its_group_alone(group, word.partition("=")[2])
            ]
            for group, words in options.items()
        }
        for row in itertools.zip_longest(*further.values()):
            chosen = {group: word for group, word in zip(further, row, strict=True) if word is not None}
            composed = self._with_options(first, chosen)
            if composed is not None:
                self._parts |= {(*kind, word): composed for word in chosen.values()}

    def _with_options(self, first: Composed, chosen: Mapping[str, str]) -> Job | None:
        """Returns the first job of a kind with other options; None where they change more than their groups.

        Args:
            first: What was composed for the first job.
            chosen: By group, the word of its other option. Several may be given that set their groups alone.
        """
        groups = [group for word in first.words if (group := self._group(word)) is not None]
        composed = self._by_hydra([chosen.get(self._group(word) or "", word) for word in first.words])
        is_free = composed.may_change(self._values_of(first.words)) and composed.lends_to(first, chosen, groups)
        return composed.job if is_free else None

    def _choice(self, words: Sequence[str]) -> tuple[str, ...]:
        return (*(word for word in words if not self._plain_value(word)), *sorted(self._values_of(words)))

    def _kind(self, words: Sequence[str]) -> tuple[str, ...]:
        return self._choice([word if (group := self._group(word)) is None else f"{group}=" for word in words])

    def _values_of(self, words: Sequence[str]) -> dict[str, Any]:
        return {key: value for word in words for key, value in self._plain_value(word).items()}

    def _plain_value(self, word: str) -> dict[str, Any]:
        """Returns the setting and the number or switch that a word gives it; empty where it is another word."""
        if word not in self._values:
            (override,) = self._parser.parse_overrides([word])
            key, value = override.key_or_group, override.value()
            is_plain = word.startswith(f"{key}=") and isinstance(value, bool | int | float)
            is_setting = is_plain and not self._is_group(key)
            self._values[word] = {key: value} if is_setting else {}
        return self._values[word]

    def _group(self, word: str) -> str | None:
        """Returns the group of which a word chooses an option, where the group stands under its own name; else None."""
        if word not in self._groups:
            key = word.partition("=")[0]
            is_option = key.isidentifier() and not self._plain_value(word) and self._is_group(key)
            self._groups[word] = key if is_option else None
        return self._groups[word]

    def _is_group(self, key: str) -> bool:
        """Tells whether a key is a group with options, for which Hydra copies all that it knows of configurations."""
        if key not in self._has_options:
            self._has_options[key] = bool(self._loader.get_group_options(key))
        return self._has_options[key]
