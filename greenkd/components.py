"""Reads what a configuration says, builds what it names by `_target_`, and answers mistakes with what is allowed.

Hydra's own `instantiate` reports a mistyped key as a Python traceback from inside the constructor. Here every key is
held against the target's signature and every value against its annotation before the target is called, for our
components and for a user's own alike.
"""

import dataclasses
import difflib
import importlib
import inspect
import re
import typing
from abc import ABCMeta
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar

import pydantic
import pydantic.dataclasses

from greenkd.errors import ConfigError

T = TypeVar("T")


def _whole_or_explained(value: Any, validate: pydantic.ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(value)
    except pydantic.ValidationError as error:
        raise ValueError("give a whole number, or per_seed: the campaign's seed") from error


OwnSeed = Annotated[int, pydantic.WrapValidator(_whole_or_explained)]
"""A seed besides the campaign's. `greenkd.identity.with_seeds` has put a number in the place of `per_seed`."""

# Text that would mean something else if it were not text.
_NO_TEXT = re.compile(r"[-+]?[\d.]+(e[-+]?\d+)?|true|false|null|\[.*\]|\{.*\}", re.IGNORECASE | re.DOTALL)

_LENIENT = pydantic.ConfigDict(arbitrary_types_allowed=True)

# By identity, since a target need not be hashable; kept with it, so that no other one can have that identity. Making a
# model or a signature is slow, and a command may have thousands of components.
_SIGNATURES: dict[int, tuple[Callable[..., object], inspect.Signature]] = {}
_MODELS: dict[int, tuple[Callable[..., object], dict[str, type[pydantic.BaseModel]]]] = {}


@dataclasses.dataclass(frozen=True)
class ComponentConfig:
    """What a config group says of one component: the chosen option's name, the target, and the target's arguments.

    Attributes:
        mapping: The group as composed, all its keys included; plain containers.
    """

    mapping: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The option's name, as folders and tables show it."""
        return str(self.mapping["name"])

    def without_name(self) -> dict[str, Any]:
        """Returns target and arguments, as `build` takes them."""
        return {key: value for key, value in self.mapping.items() if key != "name"}


def build(
    config: Mapping[str, Any],
    *,
    where: str,
    expect: type[T],
    given: Mapping[str, object] | None = None,
) -> T:
    """Creates the component that `config["_target_"]` names.

    Args:
        config: `_target_` and the target's arguments, plain containers all the way down. A nested mapping with a
            `_target_` of its own is built first.
        where: The config group, for messages: `student`, `temperature`, ...
        expect: The type the component must be of (a class, or a runtime-checkable protocol).
        given: Values the program supplies (`num_classes`, ...); each is passed if the target's signature names it and
            the configuration does not set it.

    Raises:
        ConfigError: The target cannot be imported, a key is unknown or missing, or a value is refused.
    """
    target, arguments = _prepare(config, where, given or {})
    component = _call(target, arguments, where)

    if not isinstance(component, expect):
        raise ConfigError(
            f"{where}: {config['_target_']} made a {type(component).__name__}, but a {expect.__name__} is needed here"
        )
    return component


def check(config: Mapping[str, Any], *, where: str, given: Iterable[str] = ()) -> None:
    """Holds a component's configuration against its target without creating it.

    Args:
        config: As for `build`.
        where: As for `build`.
        given: Names of the values the program will supply.

    Raises:
        ConfigError: As `build` would, less what only the target itself can find out.
    """
    target, arguments = _prepare(config, where, dict.fromkeys(given))

    try:
        for key, model in _argument_models(target).items():
            if key in config:
                _converted(model, arguments[key], key)
    except pydantic.ValidationError as error:
        raise ConfigError(explain(error, where)) from error


def read(cls: type[T], mapping: object, where: str) -> T:
    """Turns one part of a configuration into the options it stands for.

    Args:
        cls: A pydantic dataclass; its annotations say what is allowed.
        mapping: The part, plain containers.
        where: Its place in the configuration, for messages: `budget`, `training.teacher`, ...; empty for the root.

    Raises:
        ConfigError: It is no mapping, a key is unknown or missing, or a value is refused.
    """
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"{where}={mapping!r}: holds settings of its own, as in {where}.<setting>=<value>; see conf/")

    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    check_keys(mapping, names, where)
    try:
        return cls(**mapping)
    except pydantic.ValidationError as error:
        raise ConfigError(explain(error, where)) from error


def check_keys(keys: Iterable[str], allowed: Iterable[str], where: str, shown: Iterable[str] | None = None) -> None:
    """Refuses keys that are not among the allowed ones, naming the nearest.

    Raises:
        ConfigError: At least one key is unknown.
    """
    allowed = list(allowed)
    for key in keys:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1)
            hint = f"; did you mean {_dotted(where, near[0])}?" if near else "."
            names = ", ".join(shown if shown is not None else allowed) or "none"
            raise ConfigError(f"{_dotted(where, key)} is not a setting{hint} Allowed: {names}")


def explain(error: pydantic.ValidationError, where: str) -> str:
    """Turns a validation error into one line per refused value: the key, the value, what is allowed."""
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"] if not str(part).startswith("function-"))
        name = _dotted(where, key)
        if item["type"] == "missing":
            lines.append(f"{name} is not set; give {name}=<value>")
            continue

        message = item["msg"].removeprefix("Value error, ").removeprefix("Input ").replace("valid tuple", "list")
        if isinstance(item["input"], str) and _NO_TEXT.fullmatch(item["input"]):
            message += "; this is text: leave its quotes out, or read it by ${oc.decode:...}"
        shown = "" if item["type"] == "value_error" and not key else f"={item['input']!r}"
        lines.append(f"{name}{shown}: {message}")
    return "\n".join(dict.fromkeys(lines))


def _dotted(where: str, key: str) -> str:
    return f"{where}.{key}" if where and key else where or key


def _prepare(
    config: Mapping[str, Any], where: str, given: Mapping[str, object]
) -> tuple[Callable[..., object], dict[str, Any]]:
    """Finds the target, builds nested components, and completes the arguments with the given values."""
    target = _locate(config.get("_target_"), where)
    arguments = {
        key: build(value, where=f"{where}.{key}", expect=object)
        if isinstance(value, Mapping) and "_target_" in value
        else value
        for key, value in config.items()
        if key != "_target_"
    }

    signature = _signature(target)
    parameters = {
        name: parameter
        for name, parameter in signature.parameters.items()
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }
    open_ended = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    if not open_ended:
        check_keys(arguments, parameters, where, shown=[name for name in parameters if name not in given])

    arguments |= {k: v for k, v in given.items() if k not in arguments and (k in parameters or open_ended)}
    missing = [name for name, p in parameters.items() if p.default is p.empty and name not in arguments]
    if missing:
        raise ConfigError(f"{where}: {', '.join(missing)} not set; give {where}.{missing[0]}=<value>")
    return target, arguments


def _locate(target: object, where: str) -> Callable[..., object]:
    if not isinstance(target, str) or "." not in target or not all(part.isidentifier() for part in target.split(".")):
        raise ConfigError(f"{where}._target_={target!r}: give a dotted path, package.module.name")

    module_name, _, attribute = target.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{where}._target_={target}: no module named {error.name!r}; "
            "install it, or put its folder on PYTHONPATH if it is your own"
        ) from error
    except (ImportError, SyntaxError) as error:
        raise ConfigError(f"{where}._target_={target}: {module_name} cannot be imported: {error}") from error

    if not hasattr(module, attribute):
        names = [name for name in dir(module) if not name.startswith("_")]
        near = difflib.get_close_matches(attribute, names, n=3)
        hint = f"; near: {', '.join(near)}" if near else ""
        raise ConfigError(f"{where}._target_={target}: {module_name} has no {attribute!r}{hint}")

    located: object = getattr(module, attribute)
    if not callable(located):
        raise ConfigError(f"{where}._target_={target}: a {type(located).__name__} cannot be called")
    return located


def _signature(target: Callable[..., object]) -> inspect.Signature:
    """Returns a target's signature, looked up once."""
    if id(target) not in _SIGNATURES:
        _SIGNATURES[id(target)] = target, inspect.signature(target)
    return _SIGNATURES[id(target)][1]


def _call(target: Callable[..., object], arguments: dict[str, Any], where: str) -> object:
    """Converts the arguments to their annotations, and calls the target with them."""
    if isinstance(target, ABCMeta) and target.__abstractmethods__:
        missing = ", ".join(sorted(target.__abstractmethods__))
        raise ConfigError(f"{where}._target_: {target.__name__} does not define {missing}, which every such class must")

    try:
        for key, model in _argument_models(target).items():
            if key in arguments:
                arguments[key] = _converted(model, arguments[key], key)
        return target(**arguments)
    except pydantic.ValidationError as error:
        raise ConfigError(explain(error, where)) from error
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _hints(target: Callable[..., object]) -> dict[str, object]:
    """Returns the annotations to hold the arguments against; none where the target checks them itself."""
    if inspect.isclass(target) and pydantic.dataclasses.is_pydantic_dataclass(target):
        return {}

    checked: Any = target.__init__ if inspect.isclass(target) else target
    try:
        return typing.get_type_hints(checked, include_extras=True)
    except NameError:  # a user's annotation that is imported for type checkers only
        return {}


def _argument_models(target: Callable[..., object]) -> dict[str, type[pydantic.BaseModel]]:
    """Returns, for each argument that is to be checked, a model that does so; made once for each target."""
    if id(target) not in _MODELS:
        models = {
            key: pydantic.create_model("Argument", __config__=_LENIENT, **{key: (hint, ...)})  # type: ignore[call-overload]
            for key, hint in _hints(target).items()
        }
        _MODELS[id(target)] = target, models
    return _MODELS[id(target)][1]


def _converted(model: type[pydantic.BaseModel], value: object, key: str) -> object:
    return getattr(model.model_validate({key: value}), key)
