"""The PyData `sparse` package: COO (coords [rank, nnz]) and GCXS (compressed axes)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from ._core import SparseTensor


def from_sparse(value: Any, copy: bool = False) -> SparseTensor:
    import numpy as np

    if hasattr(value, "fill_value") and value.fill_value not in (0, False):
        raise TypeError(f"the array is filled with {value.fill_value!r}, not with zeros; a SparseTensor's missing entries are zero")
    kind = type(value).__name__
    if kind == "GCXS":
        if value.ndim == 2:
            make = SparseTensor.csr if tuple(value.compressed_axes) == (0,) else SparseTensor.csc
            return make(value.indptr, value.indices, value.data, value.shape, copy=copy)
        value = value.tocoo()
    elif kind == "DOK":
        value = value.to_coo()
    if not hasattr(value, "coords"):
        raise TypeError(f"expected a sparse.COO, GCXS or DOK, not {type(value).__module__}.{kind}")
    indices = np.ascontiguousarray(np.asarray(value.coords).T, dtype=np.int64)
    return SparseTensor(indices, value.data, value.shape, copy=copy)


def to_sparse(x: SparseTensor) -> Any:
    import sparse

    x = x.tocoo()
    return sparse.COO(x.indices.T, x.values, shape=x.shape, has_duplicates=not x.unique, sorted=x.sorted)
