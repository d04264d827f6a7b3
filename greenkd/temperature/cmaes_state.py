"""Reads the state of a CMA-ES optimiser from a pickle, without carrying out anything that the pickle asks for.

A pickle may name any function and have it called, ask for any amount of memory, and nest what it holds so that a look
at it never ends. A state of CMA-ES consists of numbers and small arrays of float64 under names; that, and nothing else,
is taken here. The names that NumPy and the optimiser are pickled with stand for inert classes of this module.
"""

import io
import math
import pickle
import struct
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from cmaes import CMA

# The state of two dimensions takes 2 kB.
_MAX_BYTES = 1 << 20
_MAX_DIMENSIONS = 100
# The optimiser's own limit of its mean and step.
_LARGEST = 1e32
_MAX_RESAMPLING = 10_000

# What the optimiser fills in later, and the shape it has then for n dimensions.
_LATER: dict[str, Callable[[int], tuple[int, ...]]] = {"_D": lambda n: (n,), "_B": lambda n: (n, n)}
# Follow from the number of dimensions.
_DERIVED = ("_popsize", "_mu", "_funhist_term")
# Memory that is used from its beginning on: the rest is whatever was there.
_UNFILLED = "_funhist_values"

_PythonUnpickler: Any = pickle._Unpickler

_DAMAGE = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
    struct.error,
)


class ForeignStateError(Exception):
    """A pickle is damaged, or something else than a state of CMA-ES; the message says what."""


def read_optimiser(data: bytes) -> CMA:
    """Makes an optimiser from its pickled state.

    Args:
        data: What `pickle.dumps` wrote, in protocol 2 or later.

    Raises:
        ForeignStateError: It is anything else than the state of such an optimiser.
    """
    if len(data) > _MAX_BYTES:
        raise ForeignStateError(f"has {len(data)} bytes, {_MAX_BYTES} at most are read")

    try:
        content = _NumbersOnly(io.BytesIO(data)).load()
        if not isinstance(content, _Optimiser):
            raise pickle.UnpicklingError(f"holds a {type(content).__name__}, no optimiser")
        return _made_from(content.state)
    except _DAMAGE as error:
        is_said = isinstance(error, pickle.UnpicklingError | ValueError) and str(error)
        raise ForeignStateError(str(error) if is_said else f"is damaged ({type(error).__name__})") from error


def _made_from(state: dict[str, object]) -> CMA:
    """Makes an optimiser of a state that has the names, kinds and shapes that an optimiser has."""
    dimensions = state.get("_n_dim")
    if type(dimensions) is not int or not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise ValueError(f"has {dimensions!r} dimensions")

    fresh: dict[str, Any] = CMA(np.zeros(dimensions), 1.0, np.tile([0.0, 1.0], (dimensions, 1))).__getstate__()
    if fresh.keys() != state.keys():
        differing = sorted(fresh.keys() ^ state.keys())
        raise ValueError(f"has other parts than an optimiser ({', '.join(differing[:3])})")

    checked = {name: _checked(name, value, fresh[name], dimensions) for name, value in state.items()}
    if (
        any(checked[name] != fresh[name] for name in _DERIVED)
        or not 1 <= checked["_n_max_resampling"] <= _MAX_RESAMPLING
    ):
        raise ValueError("has numbers that no optimiser has")
    if not checked["_sigma"] > 0 or checked["_g"] < 0:
        raise ValueError("has no step or generation that can be gone on from")

    optimiser = CMA.__new__(CMA)
    optimiser.__setstate__(checked)
    return optimiser


def _checked(name: str, value: Any, expected: Any, dimensions: int) -> Any:
    """Returns one part of the state, if it is of the kind that it is in a fresh optimiser."""
    shape = _LATER[name](dimensions) if name in _LATER else np.shape(expected)
    is_array = name in _LATER or isinstance(expected, np.ndarray)

    if name in _LATER and value is None:
        return None
    if isinstance(value, _Array) and is_array and value.values.shape == shape:
        finite = name == _UNFILLED or bool((np.abs(value.values) <= _LARGEST).all())
        if finite:
            return value.values.copy(order="K")
    elif isinstance(value, _Scalar) and not is_array:
        if math.isfinite(value.number) and abs(value.number) <= _LARGEST:
            return np.float64(value.number)
    elif type(value) in (int, float, bool) and not is_array:
        is_whole = type(expected) not in (int, bool) or type(value) is type(expected)
        if is_whole and abs(value) <= _LARGEST:
            return value

    raise ValueError(f"has a part {name} that no optimiser has")


class _Dtype:
    """Stands for `numpy.dtype`; float64 in the byte order of Intel and ARM is the only one."""

    __slots__ = ()

    def __init__(self, code: object, align: object = None, copy: object = None) -> None:
        if code != "f8":
            raise pickle.UnpicklingError(f"holds numbers of type {str(code)[:20]}, not float64")

    def __setstate__(self, state: tuple[object, ...]) -> None:
        if state[1] != "<":
            raise pickle.UnpicklingError("holds numbers in another byte order")


class _Array:
    """Stands for `numpy.ndarray` and for the functions that recreate one; keeps a view, copies nothing.

    Attributes:
        values: The numbers, in the array's shape.
    """

    __slots__ = ("values",)

    def __init__(self, subtype: object = None, shape: object = None, typecode: object = None) -> None:
        """Takes what NumPy's recreating function takes, and ignores it: the state that follows says it all."""
        self.values = np.empty(0)

    def __setstate__(self, state: tuple[int, tuple[int, ...], object, bool, bytes]) -> None:
        _, shape, dtype, fortran_order, raw = state
        self.values = _numbers(raw, dtype).reshape(shape, order="F" if fortran_order else "C")


class _ArrayOfBuffer(_Array):
    """Stands for the function that recreates an array in protocol 5."""

    __slots__ = ()

    def __init__(self, raw: object, dtype: object, shape: tuple[int, ...], order: object) -> None:
        self.values = _numbers(raw, dtype).reshape(shape, order="F" if order == "F" else "C")


class _Scalar:
    """Stands for the function that recreates a single number.

    Attributes:
        number: The number.
    """

    __slots__ = ("number",)

    def __init__(self, dtype: object, raw: object) -> None:
        (self.number,) = _numbers(raw, dtype).tolist()

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("gives a number a state")


class _Optimiser:
    """Stands for the optimiser.

    Attributes:
        state: Its parts by name.
    """

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: dict[str, object] = {}

    def __setstate__(self, state: dict[str, object]) -> None:
        if type(state) is not dict:
            raise pickle.UnpicklingError("has no parts by name")
        self.state = state


def _numbers(raw: object, dtype: object) -> "np.ndarray[Any, np.dtype[np.float64]]":
    if not isinstance(raw, bytes | bytearray) or not isinstance(dtype, _Dtype):
        raise pickle.UnpicklingError("holds an array of something else than float64")
    return np.frombuffer(raw, "<f8")


class _NumbersOnly(_PythonUnpickler):  # type: ignore[misc]
    """Knows the few instructions that a state is written with, and refuses every name but those that it consists of.

    It stands on the unpickler in Python code, since the one in C cannot be told to leave instructions out.
    """

    _ADMITTED: ClassVar = {
        ("cmaes._cma", "CMA"): _Optimiser,
        ("numpy", "dtype"): _Dtype,
        ("numpy", "ndarray"): _Array,
        ("numpy._core.multiarray", "_reconstruct"): _Array,
        ("numpy._core.multiarray", "scalar"): _Scalar,
        ("numpy._core.numeric", "_frombuffer"): _ArrayOfBuffer,
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy.core.multiarray", "scalar"): _Scalar,
        ("numpy.core.numeric", "_frombuffer"): _ArrayOfBuffer,
    }
    _INSTRUCTIONS: ClassVar = (
        *("PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"),
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
        *("SHORT_BINUNICODE", "BINUNICODE", "SHORT_BINBYTES", "BINBYTES", "BYTEARRAY8"),
        *("EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "TUPLE", "EMPTY_DICT", "SETITEM", "SETITEMS"),
        *("GLOBAL", "STACK_GLOBAL", "REDUCE", "NEWOBJ", "BUILD"),
    )
    dispatch: ClassVar = {
        getattr(pickle, name)[0]: _PythonUnpickler.dispatch[getattr(pickle, name)[0]] for name in _INSTRUCTIONS
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"names {module}.{name}, which has no business there") from None

    def load_setitem(self) -> None:
        """Takes one named part; a look at any other kind of name could take for ever."""
        value, name = self.stack.pop(), self.stack.pop()
        self._set({name: value} if type(name) is str else None)

    def load_setitems(self) -> None:
        """Takes several named parts."""
        items = self.pop_mark()
        named = all(type(name) is str for name in items[::2])
        self._set(dict(zip(items[::2], items[1::2], strict=True)) if named else None)

    def load_bytearray8(self) -> None:
        """Takes bytes of which as many are there as are announced."""
        (length,) = struct.unpack("<Q", self.read(8))
        if length > _MAX_BYTES:
            raise pickle.UnpicklingError("announces more bytes than it has")
        self.append(bytearray(self.read(length)))

    def _set(self, parts: dict[str, object] | None) -> None:
        if parts is None or type(self.stack[-1]) is not dict:
            raise pickle.UnpicklingError("has parts without a name")
        self.stack[-1].update(parts)

    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
