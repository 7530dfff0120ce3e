"""scipy.sparse in and out. Known by attributes; SciPy is imported only to make one of its own."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from ._core import SparseTensor


def from_scipy(value: Any, copy: bool = False) -> SparseTensor:
    import numpy as np

    layout = getattr(value, "format", None)
    if layout not in ("coo", "csr", "csc"):
        if not hasattr(value, "tocsr"):
            raise TypeError(f"expected a scipy.sparse array or matrix, not {type(value).__module__}.{type(value).__name__}")
        value = value.tocoo() if layout in ("dok", "dia") else value.tocsr()
        layout, copy = value.format, False
    if layout == "coo":
        # SciPy keeps one array for each axis, we one row for each entry: the coordinates are copied, the values shared.
        axes = value.coords if hasattr(value, "coords") else (value.row, value.col)
        indices = np.stack([np.asarray(axis, np.int64) for axis in axes], axis=1) if axes else np.zeros((len(value.data), 0), np.int64)
        return SparseTensor(indices, np.array(value.data) if copy else value.data, value.shape)
    make = SparseTensor.csr if layout == "csr" else SparseTensor.csc
    if len(value.shape) == 1:  # a csr_array of one axis
        return SparseTensor(np.asarray(value.indices, np.int64), np.array(value.data) if copy else value.data, value.shape)
    # Rows may have been shortened in place: SciPy then leaves room behind the last entry.
    stored = int(value.indptr[-1]) if len(value.indptr) else 0
    return make(value.indptr, value.indices[:stored], value.data[:stored], value.shape, copy=copy)


_HELD = "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float32 float64 complex64 complex128".split()


def to_scipy(x: SparseTensor, copy: bool = False) -> Any:
    import scipy.sparse as sp

    if str(x.dtype) not in _HELD:
        raise TypeError(f"scipy.sparse cannot hold {x.dtype} values; cast them first with astype")
    values, indices = x.values, x.indices
    if copy:
        values, indices = values.copy(), indices.copy()
    # The arrays are put in by hand: SciPy's constructors would narrow int64 indices into new arrays.
    if x.layout == "coo":
        if x.ndim == 0:
            raise TypeError("scipy.sparse has no scalars; to_dense() gives one")
        out = sp.coo_array(x.shape, dtype=values.dtype)
        columns = tuple(indices[:, axis] for axis in range(x.ndim))
        if hasattr(out, "coords"):
            out.coords = columns
        else:
            out.row, out.col = columns
        out.data = values
        out.has_canonical_format = x.sorted and x.unique
        return out
    out = (sp.csr_array if x.layout == "csr" else sp.csc_array)(x.shape, dtype=values.dtype)
    indptr = x.indptr.copy() if copy else x.indptr
    out.data, out.indices, out.indptr = values, indices, indptr
    if x.sorted:
        out.has_sorted_indices = True
        if x.unique:
            out.has_canonical_format = True
    return out
