"""Slicing of sparse tensors as NumPy spells it, over the kernels slice, gather_rows and reshape."""

from __future__ import annotations

import operator
from collections.abc import Iterator
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def coordinates_between(x: Any, begin: int, end: int) -> Any:
    """[end - begin, rank] coordinates of entries as they are stored, whatever the layout."""
    import numpy as np

    if x.layout == "coo":
        return x.indices[begin:end]
    minor = x.indices[begin:end].astype(np.int64)
    major = np.searchsorted(x.indptr, np.arange(begin, end), side="right") - 1
    return np.stack([major, minor] if x.layout == "csr" else [minor, major], axis=1)


_BLOCK = 4096  # entries turned into Python objects at a time


def entries(x: Any) -> Iterator[tuple[tuple[int, ...], Any]]:
    values = x.values
    for begin in range(0, x.nnz, _BLOCK):
        end = min(begin + _BLOCK, x.nnz)
        yield from zip(map(tuple, coordinates_between(x, begin, end).tolist()), values[begin:end].tolist())


def _expand(x: Any, key: Any) -> list[Any]:
    parts = list(key) if isinstance(key, tuple) else [key]
    dots = [i for i, part in enumerate(parts) if part is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can have one ... only")
    if any(part is None for part in parts):
        raise IndexError("a sparse tensor gets new axes by reshape, not by None")
    missing = x.ndim - (len(parts) - len(dots))
    if missing < 0:
        raise IndexError(f"{len(parts) - len(dots)} indices for a tensor of {x.ndim} axes")
    at = dots[0] if dots else len(parts)
    return parts[:at] + [slice(None)] * missing + parts[at + len(dots) :]


def _take(x: Any, axis: int, rows: Any) -> Any:
    if axis == 0:
        return x.gather_rows(rows)
    order = [axis] + [a for a in range(x.ndim) if a != axis]
    back = [order.index(a) for a in range(x.ndim)]
    layout = x.layout
    out = x.transpose(order).gather_rows(rows).transpose(back)
    return out if out.layout == layout or out.ndim != 2 else out.to_layout(layout)


def sparse_item(x: Any, key: Any) -> Any:
    import numpy as np

    parts = _expand(x, key)
    if x.ndim == 0:
        return _scalar(x)
    begin = [0] * x.ndim
    size = list(x.shape)
    dropped: list[int] = []
    gathers: list[tuple[int, Any]] = []  # after the cut
    for axis, part in enumerate(parts):
        length = x.shape[axis]
        if isinstance(part, slice):
            start, stop, step = part.indices(length)
            count = len(range(start, stop, step))
            if step == 1 or count <= 1:
                begin[axis], size[axis] = (start if count else 0), count
            else:
                low = start if step > 0 else start + (count - 1) * step
                begin[axis], size[axis] = low, abs(step) * (count - 1) + 1
                gathers.append((axis, np.arange(start - low, stop - low if step > 0 else start - low + count * step, step)))
        elif isinstance(part, (bool, np.bool_)):
            raise IndexError("True and False are no indices of a sparse tensor")
        elif hasattr(part, "__index__") and not getattr(part, "shape", ()):
            index = operator.index(part)
            if not -length <= index < length:
                raise IndexError(f"index {index} is out of range for axis {axis} of length {length}")
            begin[axis], size[axis] = index % length, 1
            dropped.append(axis)
        else:
            rows = np.asarray(part)
            if rows.dtype == bool:
                if rows.shape != (length,):
                    raise IndexError(f"a mask of shape {rows.shape} does not fit axis {axis} of length {length}")
                rows = np.flatnonzero(rows)
            elif rows.size == 0:
                rows = rows.astype(np.int64)
            if rows.ndim != 1 or rows.dtype.kind not in "iu":
                raise IndexError(f"axis {axis} is indexed by {rows.dtype} of rank {rows.ndim}; expected an int, a slice, row numbers or a mask")
            bad = (rows < -length) | (rows >= length)
            if bad.any():
                raise IndexError(f"index {rows[bad][0]} is out of range for axis {axis} of length {length}")
            gathers.append((axis, np.where(rows < 0, rows + length, rows)))
    if sum(not isinstance(parts[axis], slice) for axis, _ in gathers) > 1:
        raise IndexError("row numbers can select on one axis at a time")
    if begin[1:] == [0] * (x.ndim - 1) and size[1:] == list(x.shape[1:]):
        if (begin[0], size[0]) != (0, x.shape[0]):
            x = x.slice_rows(begin[0], begin[0] + size[0])
    else:
        x = x.slice(begin, size)
    for axis, rows in gathers:
        x = _take(x, axis, rows)
    if len(dropped) == x.ndim:
        return _scalar(x.reshape(()))
    if dropped:
        x = x.reshape([n for axis, n in enumerate(x.shape) if axis not in dropped])
    return x


def _scalar(x: Any) -> Any:
    """The one element: a NumPy scalar or bytes; duplicates add up as in to_dense."""
    return x.to_numpy()[()]
