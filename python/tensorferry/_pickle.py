"""Pickling (protocol 5 hands the memory over out of band) and deep copies."""

from __future__ import annotations

import pickle
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from . import _core


# What pickles name: plain functions, so that old pickles stay readable whatever the classes become.


def restore_dtype(name: str) -> _core.DType:
    return _core.as_dtype(name)


def restore_dense(dtype: str, shape: Any, buffers: Any) -> _core.DenseTensor:
    return _core.DenseTensor._from_parts(dtype, shape, list(buffers))


def restore_sparse(layout: str, shape: Any, order: Any, parts: Any) -> _core.SparseTensor:
    return _core.SparseTensor._from_parts(layout, shape, order, list(parts))


def restore_ragged(parts: Any) -> _core.RaggedTensor:
    return _core.RaggedTensor._from_parts(list(parts))


def restore_map(entries: Any, metadata: Any, tensor_metadata: Any, format: str | None) -> Any:
    from ._map import TensorMap

    out = TensorMap(entries, metadata)
    out.tensor_metadata, out.format = dict(tensor_metadata), format
    return out


def reduce_tensor(x: Any, protocol: int) -> tuple[Any, ...]:
    if isinstance(x, _core.DenseTensor):
        dtype, shape, buffers = x._parts()
        # Read-only arrays go as PickleBuffer where buffers travel apart, and as bytes inside older pickles.
        wrapped = [pickle.PickleBuffer(b) if protocol >= 5 else b.tobytes() for b in buffers]
        return restore_dense, (dtype, shape, wrapped)
    return restore_sparse if isinstance(x, _core.SparseTensor) else restore_ragged, x._parts()


def deep_copy(x: Any) -> Any:
    if isinstance(x, _core.DenseTensor):
        dtype, shape, buffers = x._parts()
        return _core.DenseTensor._from_parts(dtype, shape, [b.copy() for b in buffers])
    *facts, parts = x._parts()
    return type(x)._from_parts(*facts, [deep_copy(part) for part in parts])
