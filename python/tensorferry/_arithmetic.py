"""Operators: dtypes are promoted as NumPy promotes them, then one kernel is called."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from . import _core
from ._core import DenseTensor, RaggedTensor, SparseTensor


def astype(x: SparseTensor, dtype: Any) -> SparseTensor:
    dtype = _core.as_dtype(dtype)
    return x if x.dtype == dtype else x._with_values(x._values.astype(dtype))


def _is_scalar(value: Any) -> bool:
    import numpy as np

    return isinstance(value, (int, float, complex, bool, np.generic)) or (hasattr(value, "__array__") and getattr(value, "shape", None) == ())


def _is_foreign_sparse(value: Any) -> bool:
    from ._convert import is_sparse

    return is_sparse(value)


def _numbers(x: Any) -> None:
    if x.dtype.kind in ("string", "opaque"):
        raise TypeError(f"there is no arithmetic on {x.dtype} elements")


def _promote(a: SparseTensor, b: SparseTensor) -> tuple[SparseTensor, SparseTensor]:
    _numbers(a)
    _numbers(b)
    if a.dtype != b.dtype:
        import numpy as np

        common = np.result_type(a.dtype.numpy, b.dtype.numpy)
        a, b = astype(a, common), astype(b, common)
    return a, (b if a.layout == b.layout else b.to_layout(a.layout))


def add(a: Any, b: Any) -> SparseTensor:
    """The sum of two sparse tensors of one shape; entries that become zero stay."""
    if not isinstance(b, SparseTensor):
        if _is_scalar(b) and b == 0:
            return a  # so that sum() works
        if not _is_foreign_sparse(b):
            if _is_scalar(b):
                raise TypeError("a number added to a sparse tensor would fill it; call to_numpy() first")
            raise TypeError("a dense array added to a sparse tensor gives a dense one; call to_numpy() first")
        b = SparseTensor.from_scipy(b) if type(b).__module__.startswith("scipy") else _tensor(b)
    if not isinstance(a, SparseTensor):
        return add(b, a)
    a, b = _promote(a, b)
    return _core._add(a, b)


def _tensor(value: Any) -> Any:
    from ._convert import as_tensor

    return as_tensor(value)


def subtract(a: SparseTensor, b: Any) -> SparseTensor:
    return add(a, negate(b) if isinstance(b, SparseTensor) else -b)


def _with_array(x: SparseTensor, array: Any) -> SparseTensor:
    return x._with_values(array)


def multiply(x: SparseTensor, factor: Any) -> Any:
    if not _is_scalar(factor):
        raise TypeError(f"a sparse tensor is multiplied by a number, not by {type(factor).__name__}; @ is the matrix product")
    _numbers(x)
    return _with_array(x, x.values * factor)


def divide(x: SparseTensor, factor: Any) -> Any:
    if not _is_scalar(factor):
        raise TypeError(f"a sparse tensor is divided by a number, not by {type(factor).__name__}")
    _numbers(x)
    return _with_array(x, x.values / factor)


def negate(x: SparseTensor) -> SparseTensor:
    _numbers(x)
    return _with_array(x, -x.values)


def absolute(x: SparseTensor) -> SparseTensor:
    _numbers(x)
    return _with_array(x, abs(x.values))


# What the product kernels take; others go through the next wider one and back.
_KERNEL = {"float16": "float32", "bfloat16": "float32", "int8": "int32", "uint8": "int32", "int16": "int32", "uint16": "int32",
           "bool": "int32", "uint32": "int64", "uint64": "int64"}  # fmt: skip


def matmul(x: Any, dense: Any) -> Any:
    """x @ dense, for a sparse x of rank 2 and a dense side of rank 1 or 2 (or the other way round): a NumPy array."""
    import numpy as np

    if not isinstance(x, SparseTensor):
        return rmatmul(dense, x) if isinstance(dense, SparseTensor) else matmul(_tensor(x), dense)
    if isinstance(dense, SparseTensor) or _is_foreign_sparse(dense):
        raise TypeError("sparse @ sparse is not offered: convert one side with to_numpy(), or both with to_scipy()")
    _numbers(x)
    right = np.asarray(dense)
    result = np.result_type(x.dtype.numpy, right.dtype)
    name = _KERNEL.get(str(result))
    work = np.dtype(name) if name else result
    out = _core._multiply(astype(x, work), right if right.dtype == work else right.astype(work))
    return out if out.dtype == result else out.astype(result)


def rmatmul(x: SparseTensor, dense: Any) -> Any:
    import numpy as np

    left = np.asarray(dense)
    if left.ndim not in (1, 2):
        raise TypeError(f"@ needs a dense left side of rank 1 or 2, found {left.ndim}")
    return matmul(x.T, left.T).T


def total(x: SparseTensor, axis: Any = None) -> Any:
    """sum(): a number, or a dense array over the other axes."""
    import operator

    import numpy as np

    _numbers(x)
    if axis is None:
        return x.values.sum()
    axis = operator.index(axis)
    if not -x.ndim <= axis < x.ndim:
        raise IndexError(f"axis {axis} is out of range for a tensor of {x.ndim} axes")
    axis %= x.ndim
    widened = x.values[:0].sum().dtype  # small integers are summed in wide ones, as NumPy does
    if x.dtype != widened:
        x = astype(x, widened)
    if x.ndim == 2:
        return np.asarray(_core._axis_sum(x, axis))
    kept = [n for a, n in enumerate(x.shape) if a != axis]
    order = [a for a in range(x.ndim) if a != axis] + [axis]
    flat = x.tocoo().transpose(order).reshape((int(np.prod(kept, dtype=np.int64)), x.shape[axis]))
    return np.asarray(_core._axis_sum(flat, 1)).reshape(kept)


def equal(x: SparseTensor, other: Any) -> Any:
    """Same dtype, shape and value at every coordinate, whatever the layout, the order and explicit zeros. NaNs equal one another."""
    if not isinstance(other, SparseTensor):
        if not _is_foreign_sparse(other):
            return NotImplemented
        other = _tensor(other)
    return x.dtype == other.dtype and x.shape == other.shape and _core._same_values(x, other)


def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether two tensors of one kind and shape agree within tolerances at every coordinate; nothing is densified."""
    import numpy as np

    a, b = _tensor(a), _tensor(b)
    if isinstance(a, RaggedTensor) and isinstance(b, RaggedTensor):
        splits = zip(a.nested_row_splits, b.nested_row_splits)
        if a.ragged_rank != b.ragged_rank or not all(np.array_equal(s, t) for s, t in splits) or a.values.shape != b.values.shape:
            return False
        return _close(a.values, b.values, rtol, atol, equal_nan)
    if isinstance(a, DenseTensor) and isinstance(b, DenseTensor):
        return a.shape == b.shape and _close(a.to_numpy(), b.to_numpy(), rtol, atol, equal_nan)
    if not (isinstance(a, SparseTensor) and isinstance(b, SparseTensor)):
        raise TypeError(f"a {type(a).__name__} and a {type(b).__name__} are not compared; convert one of them")
    if a.shape != b.shape:
        return False
    a, b = a.tocoo().coalesce(), b.tocoo().coalesce()
    if a.nnz == b.nnz and np.array_equal(a.indices, b.indices):
        return _close(a.values, b.values, rtol, atol, equal_nan)
    # Where one side has no entry it is zero: both are spread over the union of the coordinates.
    common = np.concatenate([a.indices, b.indices])
    zeros_a, zeros_b = np.zeros(b.nnz, a.values.dtype), np.zeros(a.nnz, b.values.dtype)
    left = SparseTensor(common, np.concatenate([a.values, zeros_a]), a.shape).coalesce()
    right = SparseTensor(common, np.concatenate([zeros_b, b.values]), b.shape).coalesce()
    return _close(left.values, right.values, rtol, atol, equal_nan)


def _close(a: Any, b: Any, rtol: float, atol: float, equal_nan: bool) -> bool:
    import numpy as np

    if a.dtype == object or b.dtype == object:
        return np.array_equal(a, b)
    if a.dtype.kind not in "biufc":  # ml_dtypes
        a = a.astype(np.float32)
    if b.dtype.kind not in "biufc":
        b = b.astype(np.float32)
    return bool(np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan))
