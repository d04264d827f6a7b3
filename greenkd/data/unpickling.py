"""Reads pickles that others wrote: byte arrays in plain containers come out, and nothing else is ever called.

A pickle may name any function and have it called with any arguments. Here the three names by which NumPy arrays are
pickled stand for inert classes of this module, every other name is refused, and the array is put together by us.
"""

import io
import pickle
import pickletools
import struct
from typing import Any, ClassVar

import numpy as np

from greenkd.errors import DataError

# What the standard unpickler raises on damaged input, its own error aside.
_DAMAGE = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    TypeError,
    ValueError,
    struct.error,
)


def read_pickle(data: bytes, name: str) -> object:
    """Unpickles containers, strings, numbers and arrays of bytes (NumPy's uint8).

    Args:
        data: The pickle; strings of Python 2 come out as `bytes`.
        name: The file, for messages.

    Returns:
        dict, list, tuple, str, bytes, int, float, bool or None; arrays as `PickledArray`.

    Raises:
        DataError: The pickle is damaged, names anything but NumPy's arrays, or asks for memory out of proportion.
    """
    try:
        # An index into the unpickler's table of known objects makes it allocate a table of that length.
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and (argument is None or int(argument) > len(data)):
                raise pickle.UnpicklingError(f"table index {argument} in a file of {len(data)} bytes")

        return _ArraysOnly(io.BytesIO(data), encoding="bytes").load()
    except _DAMAGE as error:
        raise DataError(
            f"{name}: not read, {str(error) or type(error).__name__}; only arrays of bytes in plain containers are "
            "taken from a pickle. Unpack the official archive again"
        ) from error


class PickledArray:
    """Stands for `numpy.ndarray` and for the function that recreates one; calls nothing.

    Attributes:
        values: The array's bytes, in its own shape.
    """

    __slots__ = ("values",)

    values: np.ndarray[Any, np.dtype[np.uint8]]

    def __init__(self, subtype: object = None, shape: object = None, typecode: object = None) -> None:
        """Takes what NumPy's recreating function takes, and ignores it: the state that follows says it all."""
        self.values = np.empty(0, np.uint8)

    def __setstate__(self, state: tuple[int, tuple[int, ...], object, bool, bytes]) -> None:
        _, shape, kind, fortran_order, raw = state
        if not isinstance(kind, _PickledDtype) or kind.code not in (b"u1", "u1") or not isinstance(raw, bytes):
            raise pickle.UnpicklingError("an array of something else than bytes")

        self.values = np.frombuffer(raw, np.uint8).reshape(shape, order="F" if fortran_order else "C")


class _PickledDtype:
    """Stands for `numpy.dtype`; remembers nothing but the type's code."""

    __slots__ = ("code",)

    def __init__(self, code: object, align: object = None, copy: object = None) -> None:
        self.code = code

    def __setstate__(self, state: object) -> None:
        """Byte order and alignment mean nothing for single bytes."""


class _ArraysOnly(pickle.Unpickler):
    """Refuses every name but the four that NumPy's arrays are pickled with."""

    _ADMITTED: ClassVar = {
        ("numpy.core.multiarray", "_reconstruct"): PickledArray,
        ("numpy._core.multiarray", "_reconstruct"): PickledArray,
        ("numpy", "ndarray"): PickledArray,
        ("numpy", "dtype"): _PickledDtype,
    }

    def find_class(self, module_name: str, global_name: str, /) -> type[PickledArray] | type[_PickledDtype]:
        try:
            return self._ADMITTED[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}") from None
