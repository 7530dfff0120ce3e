"""What tf.train.Examples are to become: tf.io's feature classes, under the same names and with the same arguments.

tf.io's own objects are taken wherever these are; they are told by their class names, and TensorFlow is not imported.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping

from . import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class FixedLenFeature(namedtuple("FixedLenFeature", ["shape", "dtype", "default_value"])):
    """A feature with as many values as `shape` in every record: dense [batch, *shape].

    Records without it get `default_value`, or are an error where there is none.
    """

    __slots__ = ()

    def __new__(cls, shape: Any, dtype: Any, default_value: Any = None) -> FixedLenFeature:
        return super().__new__(cls, shape, dtype, default_value)


class FixedLenSequenceFeature(namedtuple("FixedLenSequenceFeature", ["shape", "dtype", "allow_missing", "default_value"])):
    """Steps of `shape`, as many as a record has: dense [batch, most steps, *shape], padded with `default_value`."""

    __slots__ = ()

    def __new__(cls, shape: Any, dtype: Any, allow_missing: bool = False, default_value: Any = None) -> FixedLenSequenceFeature:
        return super().__new__(cls, shape, dtype, allow_missing, default_value)


class VarLenFeature(namedtuple("VarLenFeature", ["dtype"])):
    """As many values as a record has: sparse [batch, most values]."""

    __slots__ = ()


class SparseFeature(namedtuple("SparseFeature", ["index_key", "value_key", "dtype", "size", "already_sorted"])):
    """Values under `value_key` at the coordinates under `index_key` (a list of keys for several axes): sparse [batch, *size]."""

    __slots__ = ()

    def __new__(cls, index_key: Any, value_key: str, dtype: Any, size: Any, already_sorted: bool = False) -> SparseFeature:
        return super().__new__(cls, index_key, value_key, dtype, size, already_sorted)


class RaggedFeature(namedtuple("RaggedFeature", ["dtype", "value_key", "partitions", "row_splits_dtype", "validate"])):
    """As many values as a record has, cut into rows by other features: ragged [batch, ...].

    Partitions are always held against their values, whatever `validate` says.
    """

    __slots__ = ()

    RowSplits = namedtuple("RowSplits", ["key"])
    RowLengths = namedtuple("RowLengths", ["key"])
    RowStarts = namedtuple("RowStarts", ["key"])
    RowLimits = namedtuple("RowLimits", ["key"])
    ValueRowIds = namedtuple("ValueRowIds", ["key"])
    UniformRowLength = namedtuple("UniformRowLength", ["length"])

    def __new__(
        cls, dtype: Any, value_key: str | None = None, partitions: Any = (), row_splits_dtype: Any = "int32", validate: bool = False
    ) -> RaggedFeature:
        return super().__new__(cls, dtype, value_key, tuple(partitions), row_splits_dtype, validate)


_CLASSES = {c.__name__: c for c in (FixedLenFeature, FixedLenSequenceFeature, VarLenFeature, SparseFeature, RaggedFeature)}
_PARTITIONS = ("RowSplits", "RowLengths", "RowStarts", "RowLimits", "ValueRowIds", "UniformRowLength")


def _shape(name: str, shape: Any) -> list[int]:
    if shape is None:
        raise ValueError(f"feature {name!r}: the shape is missing")
    dims = getattr(shape, "as_list", None)
    if dims is not None:
        shape = dims()
    if isinstance(shape, int):
        shape = [shape]
    if any(dim is None for dim in shape):
        raise ValueError(f"feature {name!r}: every axis of the shape must be known, found {shape}; FixedLenSequenceFeature has one that is not")
    return [int(dim) for dim in shape]


def _default(name: str, value: Any, dtype: Any) -> Any:
    """A default as a tensor of the feature's dtype; numbers are never rounded."""
    if value is None:
        return None
    import numpy as np

    from ._convert import as_tensor

    if isinstance(value, (_core.DenseTensor,)) and value.dtype == dtype:
        return value
    if dtype.name == "string":
        return as_tensor(np.asarray(value, dtype=object if not isinstance(value, np.ndarray) else None))
    array = np.asarray(value)
    wanted = "iu" if dtype.name.startswith(("int", "uint")) else "fiu"
    if array.dtype.kind not in wanted and not (array.size == 0 and array.dtype.kind == "f"):
        raise TypeError(f"feature {name!r}: a default of {array.dtype} does not fit {dtype.name}")
    return as_tensor(np.ascontiguousarray(array.astype(dtype.numpy_dtype if hasattr(dtype, 'numpy_dtype') else dtype.name)))


def _one(name: str, feature: Any) -> tuple[Any, ...]:
    """What _core takes for a feature."""
    kind = type(feature).__name__
    if kind not in _CLASSES:
        raise ValueError(f"feature {name!r}: {feature!r} is no feature; there are {', '.join(_CLASSES)}")
    if not feature.dtype and not isinstance(feature.dtype, _core.DType):
        raise ValueError(f"feature {name!r}: the dtype is missing")
    dtype = _core.as_dtype(feature.dtype)
    shape: list[int] = []
    default, allow_missing, index_keys, value_key, already_sorted, partitions, splits = None, False, [], "", False, [], "int64"
    if kind in ("FixedLenFeature", "FixedLenSequenceFeature"):
        shape = _shape(name, feature.shape)
        default = _default(name, feature.default_value, dtype)
        allow_missing = bool(getattr(feature, "allow_missing", False))
    elif kind == "SparseFeature":
        keys = feature.index_key
        if isinstance(keys, str):
            if not isinstance(feature.size, int) and not hasattr(feature.size, "__index__"):
                raise TypeError(f"feature {name!r}: one index_key takes one size, found {feature.size!r}")
            keys, shape = [keys], [int(feature.size)]
        else:
            if isinstance(feature.size, int) or hasattr(feature.size, "__index__"):
                raise TypeError(f"feature {name!r}: a list of index keys takes a list of sizes, found {feature.size!r}")
            shape = _shape(name, feature.size)
        index_keys = list(keys or ())
        if len(index_keys) != len(shape):
            raise ValueError(f"feature {name!r}: {len(index_keys)} index keys and {len(shape)} sizes; expected as many")
        value_key, already_sorted = feature.value_key, bool(feature.already_sorted)
    elif kind == "RaggedFeature":
        if feature.value_key is not None and (not isinstance(feature.value_key, str) or not feature.value_key):
            raise ValueError(f"feature {name!r}: value_key is a str that is not empty, found {feature.value_key!r}")
        value_key = feature.value_key or ""
        splits = feature.row_splits_dtype
        for partition in feature.partitions:
            word = type(partition).__name__
            if word not in _PARTITIONS:
                raise ValueError(f"feature {name!r}: {partition!r} is no partition; there are {', '.join(_PARTITIONS)}")
            uniform = word == "UniformRowLength"
            partitions.append((word, "" if uniform else partition.key, int(partition.length) if uniform else 0))
    return (name, kind, dtype, shape, default, allow_missing, index_keys, value_key, already_sorted, partitions, _core.as_dtype(splits))


def to_core(features: Any) -> list[tuple[Any, ...]]:
    """A dict of features, or a schema's text, as _core takes them."""
    if isinstance(features, str):
        return _core._schema_from_text(features)
    if features is None:
        return []
    if not isinstance(features, Mapping):
        raise TypeError(f"features are a dict of feature objects by name, or a schema's text, not {type(features).__name__}")
    for name in features:
        if not isinstance(name, str):
            raise TypeError(f"a feature's name is a str, not {type(name).__name__}")
    return [_one(name, feature) for name, feature in features.items()]


def from_core(one: tuple[Any, ...]) -> Any:
    """The feature object of what _core gives."""
    name, kind, dtype, shape, default, allow_missing, index_keys, value_key, already_sorted, partitions, splits = one
    if kind == "FixedLenFeature":
        return FixedLenFeature(list(shape), dtype, default)
    if kind == "FixedLenSequenceFeature":
        return FixedLenSequenceFeature(list(shape), dtype, allow_missing, default)
    if kind == "VarLenFeature":
        return VarLenFeature(dtype)
    if kind == "SparseFeature":
        single = len(index_keys) == 1 and len(shape) == 1
        return SparseFeature(index_keys[0] if single else list(index_keys), value_key, dtype, shape[0] if single else list(shape), already_sorted)
    made = [getattr(RaggedFeature, word)(length if word == "UniformRowLength" else key) for word, key, length in partitions]
    return RaggedFeature(dtype, value_key or None, made, splits)


def schema_from_text(text: str) -> dict[str, Any]:
    """Features by name from a schema's text: "label:int64, ids:int64[*], x:float32[28,28]=0, w:float32{1000}"."""
    return {one[0]: from_core(one) for one in _core._schema_from_text(text)}


def schema_text(features: Any) -> str:
    """The text that schema_from_text reads back."""
    return _core._schema_text(to_core(features))
