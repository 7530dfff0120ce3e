"""Objects of other libraries, told by their type's module and name, so that none is imported to recognise another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from . import _core
from ._core import DenseTensor, RaggedTensor, SparseTensor

_OURS = (DenseTensor, SparseTensor, RaggedTensor)


def _home(value: Any) -> str:
    """The library a value comes from: the first part of its type's module, or of a base class's."""
    for kind in type(value).__mro__:
        root = kind.__module__.partition(".")[0]
        if root in ("scipy", "tensorflow", "torch", "jax", "jaxlib", "sparse", "numpy"):
            return "jax" if root == "jaxlib" else root
    return ""


def is_sparse(value: Any) -> bool:
    """Whether another library's object is a sparse tensor."""
    home = _home(value)
    if home == "scipy":
        return hasattr(value, "tocsr") and hasattr(value, "nnz")
    if home == "tensorflow":
        return hasattr(value, "indices") and hasattr(value, "dense_shape") and hasattr(value, "values")
    if home == "torch":
        return str(getattr(value, "layout", "")).startswith("torch.sparse")
    if home == "jax":
        return hasattr(value, "nse")
    return home == "sparse"


def as_tensor(value: Any, *, copy: bool = False) -> Any:
    """A DenseTensor, SparseTensor or RaggedTensor of what is given: one of ours, an array, list or number, or an object of
    NumPy, SciPy, TensorFlow, PyTorch, JAX or PyData sparse. Memory is shared where the layouts agree, unless copy is asked for."""
    if isinstance(value, _OURS):
        return value.copy() if copy else value
    home = _home(value)
    if home == "scipy":
        return from_scipy(value, copy)
    if home == "sparse":
        return from_sparse(value, copy)
    if home == "tensorflow":
        from ._tensorflow import from_tensorflow

        return from_tensorflow(value, copy)
    if home == "torch":
        from ._torch import from_pytorch

        return from_pytorch(value, copy)
    if home == "jax":
        from ._jax import from_jax_any

        return from_jax_any(value, copy)
    if hasattr(value, "__arrow_c_array__") or hasattr(value, "__arrow_c_stream__"):
        from ._arrow import from_arrow

        tensor = from_arrow(value)
        if not isinstance(tensor, _OURS):
            raise TypeError(f"a {type(value).__name__} is a table of tensors; from_arrow gives a TensorMap of its columns")
        return tensor.copy() if copy else tensor
    if not hasattr(value, "__array__") and hasattr(value, "__dlpack__"):
        dense = _core.from_dlpack(value)
        return dense.copy() if copy else dense
    if value is None:
        raise TypeError("None is no tensor")
    if isinstance(value, (Mapping, set, frozenset)):
        raise TypeError(f"a {type(value).__name__} is no tensor; SparseTensor.from_pairs takes {{coordinates: value}}")
    return DenseTensor(value, copy=copy)


def _sparse_only(tensor: Any, value: Any, wanted: str) -> SparseTensor:
    if not isinstance(tensor, SparseTensor):
        raise TypeError(f"expected {wanted}, not {type(value).__module__}.{type(value).__name__}; a dense one becomes sparse by from_dense")
    return tensor


def from_scipy(value: Any, copy: bool = False) -> SparseTensor:
    from ._scipy import from_scipy as convert

    return convert(value, copy)


def from_sparse(value: Any, copy: bool = False) -> SparseTensor:
    from ._pydata import from_sparse as convert

    return convert(value, copy)


def from_tf(value: Any, copy: bool = False) -> SparseTensor:
    from ._tensorflow import from_tensorflow

    return _sparse_only(from_tensorflow(value, copy), value, "a tf.SparseTensor")


def from_torch(value: Any, copy: bool = False) -> SparseTensor:
    from ._torch import from_pytorch

    return _sparse_only(from_pytorch(value, copy), value, "a sparse torch.Tensor")


def from_jax(value: Any, copy: bool = False) -> SparseTensor:
    from ._jax import from_jax_any

    return _sparse_only(from_jax_any(value, copy), value, "a jax.experimental.sparse.BCOO")


# ---- from_pairs


def split_pairs(pairs: Any, shape: Sequence[int] | None, dtype: Any) -> tuple[Any, Any]:
    """(indices int64 [n, rank], values [n]) of any of the three spellings."""
    import numpy as np

    if isinstance(pairs, Mapping):
        keys: Any = list(pairs.keys())
        values: Any = list(pairs.values())
    elif isinstance(pairs, tuple) and len(pairs) == 2:
        keys, values = pairs
    elif isinstance(pairs, SparseTensor):
        pairs = pairs.tocoo()
        keys, values = pairs.indices, pairs._values
    else:
        keys, values = [], []
        for number, pair in enumerate(pairs):
            try:
                at, value = pair
            except (TypeError, ValueError):
                raise TypeError(f"pair {number} is {pair!r}, expected (coordinates, value)") from None
            keys.append(at)
            values.append(value)
    rank = None if shape is None else (1 if hasattr(shape, "__index__") else len(shape))
    try:
        indices = np.asarray(keys)
    except ValueError:  # NumPy's own words name neither the entry nor what was expected
        lengths = {len(k) if hasattr(k, "__len__") else 1 for k in keys}
        raise _core_error(f"coordinates have {', '.join(map(str, sorted(lengths)))} numbers each, expected as many in every entry") from None
    if indices.size == 0 and indices.ndim < 2:
        indices = np.zeros((len(keys), 1 if rank is None else rank), np.int64)
    elif indices.ndim == 1:
        indices = indices.reshape(-1, 1)
    if indices.dtype.kind not in "iu" and indices.size:
        raise _core_error(f"coordinates are {indices.dtype}, expected whole numbers")
    if indices.dtype == np.uint64 and indices.size and int(indices.max()) >> 63:
        raise _core_error(f"coordinate {indices.max()} is larger than any axis can be")
    if not isinstance(values, DenseTensor):
        array = _value_array(values)
        if dtype is not None and not len(array):
            array = DenseTensor(np.zeros(0, object if _core.as_dtype(dtype) == "string" else None), None if _core.as_dtype(dtype) == "string" else dtype)
        values = array
    return indices.astype(np.int64, copy=False), values


def _value_array(values: Any) -> Any:
    import numpy as np

    if hasattr(values, "__array__") or hasattr(values, "__dlpack__"):
        return values
    array = np.asarray(values)
    # A mixture of str and bytes, or bytes that end in NUL, would not survive NumPy's fixed-width strings.
    if array.dtype.kind in "SU" or array.dtype == object:
        out = np.empty(len(values), object)
        out[:] = values
        return out
    return array


def _core_error(message: str) -> Exception:
    from ._errors import Error

    return Error(message)


# ---- Ragged


def ragged_from_lists(rows: Iterable[Any], dtype: Any = None, ragged_rank: int | None = None) -> RaggedTensor:
    import numpy as np

    level = list(rows)
    splits = []

    def nested(item: Any) -> bool:
        return isinstance(item, (list, tuple)) or getattr(item, "ndim", 0) > 0

    while True:
        odd = next((item for item in level if not nested(item)), None)
        if odd is not None:
            raise TypeError(f"level {len(splits)} holds {odd!r} beside lists, or is not nested deep enough; expected a list in each place")
        lengths = [len(item) for item in level]
        splits.append(np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64))
        level = [item for row in level for item in row]
        if ragged_rank is not None:
            if len(splits) == ragged_rank:
                break
        elif not level or not all(nested(item) for item in level):
            break
    values: Any = _value_array(level)
    if not level and dtype is None:
        values = np.zeros(0, np.float32)
    if not level and dtype is not None and _core.as_dtype(dtype) == "string":
        values = np.zeros(0, object)
    return RaggedTensor(values, splits, dtype=dtype)
