"""JAX in and out: arrays, and BCOO of jax.experimental.sparse."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from . import _core
from ._core import DenseTensor, SparseTensor
from ._errors import Error


def _dense(value: Any, copy: bool = False) -> DenseTensor:
    try:
        out = _core.from_dlpack(value)
    except (BufferError, TypeError, RuntimeError):  # an element type that DLPack has no word for
        import numpy as np

        out = DenseTensor(np.asarray(value))
    return out.copy() if copy else out


def from_jax_any(value: Any, copy: bool = False) -> DenseTensor | SparseTensor:
    import numpy as np

    kind = type(value).__name__
    if kind == "BCOO":
        if value.n_batch or value.n_dense:
            raise TypeError(f"the BCOO has {value.n_batch} batch and {value.n_dense} dense axes; a SparseTensor's are all sparse")
        indices = np.asarray(value.indices)
        inside = (indices < np.asarray(value.shape)).all(axis=1)
        data = _dense(value.data, copy)
        if not inside.all():  # JAX pads with coordinates past the end
            indices, data = indices[inside], DenseTensor(data.to_numpy()[inside])
        return SparseTensor(indices.astype(np.int64), data, value.shape)
    if kind == "BCSR":
        if value.n_batch or value.n_dense:
            raise TypeError(f"the BCSR has {value.n_batch} batch and {value.n_dense} dense axes; a SparseTensor's are all sparse")
        return SparseTensor.csr(_dense(value.indptr, copy), _dense(value.indices, copy), _dense(value.data, copy), value.shape)
    return _dense(value, copy)


def _array(x: DenseTensor) -> Any:
    import jax.numpy as jnp

    if x.dtype == "string":
        raise TypeError("JAX has no strings")
    return jnp.asarray(x.to_numpy())


def index_type(x: SparseTensor) -> Any:
    """What JAX can hold the coordinates in: int32, which it uses itself and which is the most it has without its x64 mode."""
    import jax
    import numpy as np

    if max(x.shape, default=0) <= np.iinfo(np.int32).max:
        return np.int32
    if not jax.config.jax_enable_x64:  # it would cut them off without a word
        raise Error(f"JAX indexes shape {list(x.shape)} only in its x64 mode: jax.config.update('jax_enable_x64', True)", "unsupported")
    return np.int64


def to_jax(x: Any) -> Any:
    if isinstance(x, DenseTensor):
        return _array(x)
    import jax.numpy as jnp
    from jax.experimental import sparse

    x = x.tocoo()
    indices = x.indices.astype(index_type(x), copy=False)
    return sparse.BCOO((_array(x._values), jnp.asarray(indices)), shape=x.shape, indices_sorted=x.sorted, unique_indices=x.unique)
