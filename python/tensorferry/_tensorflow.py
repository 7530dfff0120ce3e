"""TensorFlow in and out: tensors, SparseTensor, RaggedTensor. Eager ones share their memory over DLPack where both agree."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from . import _core
from ._core import DenseTensor, RaggedTensor, SparseTensor


def _dense(value: Any, copy: bool = False) -> DenseTensor:
    if not hasattr(value, "numpy"):
        if hasattr(value, "__array__") or isinstance(value, (list, tuple)):  # a SparseTensorValue holds NumPy's arrays
            return DenseTensor(value, copy=copy)
        raise TypeError(f"a {type(value).__name__} has no values outside a running graph; expected an eager tensor")
    dtype = value.dtype.name
    if dtype == "string" or getattr(value, "__dlpack__", None) is None:
        return DenseTensor(value.numpy())
    try:
        out = _core.from_dlpack(value)
    except Exception:  # TensorFlow raises errors of its own for element types that DLPack has no word for
        array = value.numpy()
        if array.dtype.names:  # its quantized types are structures of one field
            array = array.view(array.dtype[0])
        out = DenseTensor(array, dtype)
        copy = False
    return out.copy() if copy else out


def from_tensorflow(value: Any, copy: bool = False) -> DenseTensor | SparseTensor | RaggedTensor:
    if hasattr(value, "dense_shape") and hasattr(value, "indices"):
        if type(value).__name__ == "IndexedSlices":
            raise TypeError("IndexedSlices are rows of a dense tensor; tf.convert_to_tensor makes one")
        return SparseTensor(_dense(value.indices, copy), _dense(value.values, copy), _dense(value.dense_shape).to_numpy())
    if hasattr(value, "nested_row_splits"):
        return ragged_from_tf(value, copy)
    if type(value).__name__.endswith("Variable") and hasattr(value, "value"):
        value = value.value() if callable(value.value) else value.value
        return _dense(value, True)  # its memory changes when it is assigned to
    return _dense(value, copy)


def ragged_from_tf(value: Any, copy: bool = False) -> RaggedTensor:
    if not hasattr(value, "nested_row_splits"):
        raise TypeError(f"expected a tf.RaggedTensor, not {type(value).__module__}.{type(value).__name__}")
    return RaggedTensor(_dense(value.flat_values, copy), [_dense(splits, copy) for splits in value.nested_row_splits])


def _tensor(x: DenseTensor) -> Any:
    import tensorflow as tf

    if x.dtype == "string":
        return tf.constant(x.tolist(), tf.string, shape=x.shape)
    if x.dtype.kind == "quantized":
        return tf.bitcast(tf.constant(x.to_numpy()), getattr(tf, str(x.dtype)))
    return tf.constant(x.to_numpy(), tf.as_dtype(str(x.dtype)))


def to_tf(x: Any) -> Any:
    import tensorflow as tf

    if isinstance(x, DenseTensor):
        return _tensor(x)
    if isinstance(x, RaggedTensor):
        *_, parts = x._parts()
        *splits, values = (_tensor(part) for part in parts)
        return tf.RaggedTensor.from_nested_row_splits(values, splits, validate=False)
    x = x.tocoo()
    if not x.sorted:
        x = x.sort()  # TensorFlow's ops rely on the order
    *_, (indices, values) = x._parts()
    return tf.SparseTensor(_tensor(indices), _tensor(values), tf.constant(x.shape, tf.int64))
