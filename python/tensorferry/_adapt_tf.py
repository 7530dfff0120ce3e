"""Batches as a tf.data.Dataset.

What crosses from Python into TensorFlow's graph are plain arrays: values, indices and shapes, which TensorFlow takes without a copy
where they are aligned, as ours are. SparseTensors and RaggedTensors are put together from them in the graph, which costs nothing and
keeps what is known of their shapes.
"""

from __future__ import annotations

from collections.abc import Iterator
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from ._core import DenseTensor
from ._errors import Error
from ._roles import Roles
from ._spec import ElementSpec

# What NumPy has no word for crosses as integers of the same size.
_BITS = {"qint8": "int8", "quint8": "uint8", "qint16": "int16", "quint16": "uint16", "qint32": "int32"}

# TensorFlow knows errors of Python by their types: these become UnimplementedError and ResourceExhaustedError, a ValueError becomes
# InvalidArgumentError. The message is kept.
_RAISED: dict[str, type[Exception]] = {"unsupported": NotImplementedError, "limit_exceeded": MemoryError}


def tensor_spec(spec: ElementSpec) -> Any:
    """The TypeSpec of one tensor of the batches."""
    import tensorflow as tf

    dtype = tf.as_dtype(str(spec.dtype))
    if spec.is_sparse:
        return tf.SparseTensorSpec(spec.shape, dtype)
    if spec.kind == "ragged":
        return tf.RaggedTensorSpec(_ragged_shape(spec), dtype, spec.ragged_rank, tf.int64)
    return tf.TensorSpec(spec.shape, dtype)


def _ragged_shape(spec: ElementSpec) -> tuple[int | None, ...]:
    """Axes that row_splits divide have no one length, whatever a spec may say of them."""
    return tuple(None if 1 <= axis <= spec.ragged_rank else n for axis, n in enumerate(spec.shape))


def _part_specs(spec: ElementSpec) -> list[Any]:
    """Of the arrays that a tensor is sent as."""
    import tensorflow as tf

    dtype = tf.as_dtype(_BITS.get(str(spec.dtype), str(spec.dtype)))
    if spec.is_sparse:
        rank = len(spec.shape)
        return [tf.TensorSpec([None, rank], tf.int64), tf.TensorSpec([None], dtype), tf.TensorSpec([rank], tf.int64)]
    if spec.kind == "ragged":
        rows = spec.shape[0]
        splits = [tf.TensorSpec([None if rows is None or level else rows + 1], tf.int64) for level in range(spec.ragged_rank)]
        return [tf.TensorSpec([None, *spec.shape[1 + spec.ragged_rank :]], dtype), *splits]
    return [tf.TensorSpec(spec.shape, dtype)]


def _array(tensor: DenseTensor) -> Any:
    bits = _BITS.get(str(tensor.dtype))
    return (tensor if bits is None else tensor.view(bits)).to_numpy()


def _parts(tensor: Any, spec: ElementSpec) -> list[Any]:
    import numpy as np

    if spec.is_sparse:
        tensor = tensor.tocoo()
        if not tensor.sorted:
            tensor = tensor.sort()  # TensorFlow's operations rely on the order
        *_, (indices, values) = tensor._parts()
        return [indices.to_numpy(), _array(values), np.asarray(tensor.shape, np.int64)]
    if spec.kind == "ragged":
        *_, (*splits, values) = tensor._parts()
        return [_array(values), *(part.to_numpy().astype(np.int64, copy=False) for part in splits)]
    return [_array(tensor)]


def _assemble(parts: list[Any], spec: ElementSpec) -> Any:
    """The tensor, in the graph."""
    import tensorflow as tf

    def typed(values: Any) -> Any:
        return tf.bitcast(values, getattr(tf, str(spec.dtype))) if str(spec.dtype) in _BITS else values

    if spec.is_sparse:
        indices, values, shape = parts
        # The lengths that are known stand in the graph as constants, so that layers find them there.
        lengths = [shape[axis] if n is None else tf.constant(n, tf.int64) for axis, n in enumerate(spec.shape)]
        return tf.SparseTensor(indices, typed(values), tf.stack(lengths) if lengths else shape)
    if spec.kind == "ragged":
        values, *splits = parts
        return tf.RaggedTensor.from_nested_row_splits(typed(values), splits, validate=False)
    return typed(parts[0])


_at_exit = False


def _clear_at_exit() -> None:
    """An iterator of TensorFlow calls Python when it ends. One that only the garbage collector can free, such as one in the traceback of
    an error in fit(), would do so when the interpreter is gone, and wait for it for ever."""
    global _at_exit
    if not _at_exit:
        import atexit
        import gc

        _at_exit = True
        atexit.register(gc.collect)


def to_dataset(source: Any, roles: Roles, prefetch: int | None = None) -> Any:
    import tensorflow as tf

    _clear_at_exit()
    specs = roles.specs
    flat = tuple(part for spec in specs.values() for part in _part_specs(spec))
    counts = [len(_part_specs(spec)) for spec in specs.values()]

    def batches() -> Iterator[Any]:
        try:
            for batch in source:
                yield tuple(part for name, spec in specs.items() for part in _parts(batch[name], spec))
        except Error as error:
            raise _RAISED.get(error.code, ValueError)(str(error)) from error

    def assemble(*parts: Any) -> Any:
        tensors, at = {}, 0
        for (name, spec), count in zip(specs.items(), counts):
            tensors[name] = _assemble(list(parts[at : at + count]), spec)
            at += count
        return roles.arrange(tensors.__getitem__)

    out = tf.data.Dataset.from_generator(batches, output_signature=flat).map(assemble)
    expected = roles.arrange(lambda name: tensor_spec(specs[name]))
    if out.element_spec != expected:
        # TensorFlow's own tracing forgot something that is known; nothing is copied by saying it again.
        raise AssertionError(f"the dataset has {out.element_spec}, expected {expected}")
    size = known_size(source)
    if size is not None:
        out = out.apply(tf.data.experimental.assert_cardinality(size))
    return out.prefetch(prefetch) if prefetch else out


def known_size(source: Any) -> int | None:
    """How many batches there are, where the source knows without looking, and leaves none out."""
    if getattr(source, "_on_error", "stop") != "stop":
        return None
    size = getattr(source, "size", None)
    size = size() if callable(size) else size
    return size if isinstance(size, int) else None
