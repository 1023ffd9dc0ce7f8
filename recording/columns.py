"""Array types and the checks that every columnar class of this room shares."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
UInt32 = npt.NDArray[np.uint32]
UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Strings = npt.NDArray[np.object_]
# pyarrow ships no types: these names say what is meant where the checker cannot see it.
ArrowType = Any
ArrowArray = Any
ArrowTable = Any
Rows = Bool | npt.NDArray[np.integer[Any]] | slice | Sequence[int]


def as_column(name: str, values: Any, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """
    One-dimensional array of ``dtype``; floats may be rounded to it, integers and flags never change.

    Parameters
    ----------
    name : str
        Column name, for the error.
    values : array_like
        The values, shape (n,).
    dtype : dtype_like
        The column's type.

    Raises
    ------
    ValueError
        If the values are not one-dimensional or do not fit into ``dtype``.
    """
    wanted: np.dtype[Any] = np.dtype(dtype)
    array = np.asarray(values) if wanted != np.dtype(object) else _as_objects(values)
    if array.ndim != 1:
        raise ValueError(f"column {name} has {array.ndim} dimensions, not one")
    if array.dtype == wanted:
        return array
    if array.size == 0:
        return np.empty(0, wanted)
    if wanted.kind == "f" and array.dtype.kind in "fiu":
        with np.errstate(over="ignore"):
            return array.astype(wanted)
    if wanted.kind in "iu" and array.dtype.kind in "iufb":
        whole = array.dtype.kind != "f" or bool(np.all(np.isfinite(array) & (np.floor(array) == array)))
        bounds = np.iinfo(wanted.type)
        # Python's integers compare exactly where numpy would round both sides to float64.
        if not (whole and int(array.min()) >= bounds.min and int(array.max()) <= bounds.max):
            raise ValueError(f"column {name} must be {wanted}, and some value does not fit")
        return array.astype(wanted)
    if wanted.kind == "M" or array.dtype.kind == "M":
        raise ValueError(f"column {name} must be {wanted}: give int64 nanoseconds UTC")
    if wanted.kind == "b" and array.dtype.kind == "b":
        return array
    raise ValueError(f"column {name} must be {wanted}, not {array.dtype}")


def _as_objects(values: Any) -> npt.NDArray[Any]:
    if isinstance(values, np.ndarray) and values.dtype == np.dtype(object):
        return values
    items = list(values)
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def same_bits(a: npt.NDArray[Any] | None, b: npt.NDArray[Any] | None) -> bool:
    """Whether two columns are equal bit for bit, so that equal NaNs are equal and 0.0 and -0.0 are not."""
    if a is None or b is None:
        return a is b
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype == np.dtype(object):
        return bool(np.all(a == b)) if a.size else True
    return np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()


class ColumnSet:
    """Columns of one length, checked when made; a dataclass names them in `DTYPES`."""

    __slots__ = ()
    DTYPES: ClassVar[dict[str, str]] = {}
    OPTIONAL: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        first = next(iter(self.DTYPES))
        n = len(getattr(self, first))
        for name, dtype in self.DTYPES.items():
            values = getattr(self, name)
            if values is None and name in self.OPTIONAL:
                continue
            column = as_column(name, values, dtype)
            if len(column) != n:
                raise ValueError(f"column {name} has {len(column)} rows where {first} has {n}")
            object.__setattr__(self, name, column)

    def __len__(self) -> int:
        return len(getattr(self, next(iter(self.DTYPES))))

    def columns(self) -> Iterator[tuple[str, npt.NDArray[Any]]]:
        """Name and array of each column that is there, in the order of the format."""
        for name in self.DTYPES:
            values = getattr(self, name)
            if values is not None:
                yield name, values

    def same_as(self, other: object) -> bool:
        """Whether both hold the same rows, bit for bit."""
        return type(self) is type(other) and all(
            same_bits(getattr(self, name), getattr(other, name)) for name in self.DTYPES
        )
