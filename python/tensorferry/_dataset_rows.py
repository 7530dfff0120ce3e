"""Rows that Python makes, and Parquet by PyArrow, as sources of a Dataset."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from . import _core
from ._convert import as_tensor, is_sparse
from ._core import SparseTensor
from ._errors import Error
from ._map import TensorMap
from ._spec import ElementSpec, as_specs, spec_of

_LOOKED = 16  # rows that say what all are


def arrow_source(source: Any) -> Any:
    """An object with an Arrow stream; a reader, which is an iterator too, is good for one pass."""
    used = []

    def make() -> Any:
        if used and hasattr(source, "__next__"):
            raise Error("the Arrow reader was used up by the pass before; give a table, or a function that makes a reader", "invalid_argument")
        used.append(True)
        return source

    return _core._dataset_arrow(make, type(source).__name__)


def _passes(source: Any) -> Callable[[], Iterator[Any]]:
    """A function that gives an iterator for each pass over the source."""
    if callable(source):
        return lambda: iter(source())
    if not hasattr(source, "__next__"):
        return lambda: iter(source)
    used = []

    def once() -> Iterator[Any]:
        if used:
            raise Error("the iterator was used up by the pass before; give a function that makes one, or a list", "invalid_argument")
        used.append(True)
        return source

    return once


def _named(row: Any) -> list[tuple[str, Any]]:
    if isinstance(row, TensorMap):
        return list(row.items())
    if isinstance(row, Mapping):
        return [(name, as_tensor(value)) for name, value in row.items()]
    raise TypeError(f"a row is a dict or a TensorMap, not a {type(row).__name__}; sparse rows: SparseDataset.from_generator")


def _of_row(pairs: list[tuple[str, Any]]) -> list[ElementSpec]:
    found = [spec_of(name, tensor) for name, tensor in pairs]
    return [spec._replace(kind="coo") if spec.is_sparse else spec for spec in found]


def _widened(spec: list[ElementSpec], other: list[ElementSpec]) -> list[ElementSpec]:
    out = []
    if [one.name for one in spec] != [one.name for one in other]:
        raise Error(f"a row of {[one.name for one in other]} follows one of {[one.name for one in spec]}", "invalid_argument")
    for a, b in zip(spec, other):
        if (a.kind, a.dtype, a.ragged_rank, len(a.shape)) != (b.kind, b.dtype, b.ragged_rank, len(b.shape)):
            raise Error(f"rows are not alike: {a.name!r} was {a}, then {b}; say spec=", "invalid_argument")
        if a.is_sparse and a.shape != b.shape:
            raise Error(f"sparse rows of {a.name!r} have shapes {a.shape} and {b.shape}; say the shape of all", "invalid_argument")
        out.append(a._replace(shape=tuple(m if m == n else None for m, n in zip(a.shape, b.shape))))
    return out


def rows_source(source: Any, spec: Any) -> Any:
    ahead: list[Any] = []
    if callable(source):
        ahead.append(source())
        if hasattr(ahead[0], "__arrow_c_stream__") and not isinstance(ahead[0], TensorMap):
            return _core._dataset_arrow(lambda: ahead.pop() if ahead else source(), getattr(source, "__qualname__", "arrow"))
        ahead[0] = iter(ahead[0])
    passes = _passes(source)
    if spec is None:
        rows = ahead.pop() if ahead else passes()
        seen = list(itertools.islice(rows, _LOOKED))
        if not seen:
            raise Error("there are no rows to tell what they are; say spec=", "invalid_argument")
        specs = _of_row(_named(seen[0]))
        for row in seen[1:]:
            specs = _widened(specs, _of_row(_named(row)))
        ahead.append(itertools.chain(seen, rows))
    else:
        specs = list(as_specs(spec))
    wanted = {one.name: one.dtype for one in specs}

    def convert(row: Any) -> list[tuple[str, Any]]:
        if spec is None:
            return _named(row)
        return [(name, _cast(row[name], dtype)) for name, dtype in wanted.items()]

    def make(_pass: int) -> Iterator[Any]:
        return map(convert, ahead.pop() if ahead else passes())

    return _core._dataset_rows(make, [tuple(one) for one in specs], getattr(source, "__qualname__", type(source).__name__))


def _cast(value: Any, dtype: Any) -> Any:
    tensor = as_tensor(value)
    return tensor if tensor.dtype == dtype else tensor.astype(dtype)


def sparse_rows_source(rows: Any, shape: Any, dtype: Any, name: str, label_dtype: Any) -> Any:
    shape = (int(shape),) if isinstance(shape, int) or not hasattr(shape, "__iter__") else tuple(int(n) for n in shape)
    dtype = _core.as_dtype(dtype)
    specs = [ElementSpec(name, "coo", dtype, shape)]
    if label_dtype is not None:
        specs.append(ElementSpec("y", "dense", label_dtype, ()))
    passes = _passes(rows)

    def convert(row: Any) -> list[tuple[str, Any]]:
        out = []
        if label_dtype is not None:
            if not isinstance(row, tuple) or len(row) < 2:
                raise TypeError(f"with label_dtype a row is a tuple whose last is the label, not a {type(row).__name__}")
            row, label = (row[0] if len(row) == 2 else row[:-1]), row[-1]
            out.append(("y", _cast(label, specs[1].dtype)))
        return [(name, _sparse_row(row, shape, dtype)), *out]

    def make(_pass: int) -> Iterator[Any]:
        return map(convert, passes())

    return _core._dataset_rows(make, [tuple(one) for one in specs], getattr(rows, "__qualname__", type(rows).__name__))


def _sparse_row(row: Any, shape: tuple[int, ...], dtype: Any) -> SparseTensor:
    if isinstance(row, SparseTensor) or is_sparse(row):
        x = as_tensor(row)
        if x.ndim == len(shape) + 1 and x.shape[0] == 1:
            x = x.reshape(x.shape[1:])
        if x.shape != shape:
            raise Error(f"a row of shape {x.shape}, expected {shape}", "invalid_argument")
        return x if x.dtype == dtype else x.astype(dtype)
    if isinstance(row, Mapping):
        pairs: Any = row.items()
    elif isinstance(row, tuple) and len(row) == 2 and hasattr(row[0], "__len__") and hasattr(row[1], "__len__") and not _is_pair(row[0], shape):
        if len(row[0]) != len(row[1]):
            raise Error(f"a row of {len(row[0])} columns and {len(row[1])} values", "invalid_argument")
        return SparseTensor.from_pairs((_indices(row[0], shape), row[1]), shape=shape).astype(dtype)
    else:
        pairs = row
    pairs = list(pairs)
    columns, values = [key for key, _ in pairs], [value for _, value in pairs]
    return SparseTensor.from_pairs((_indices(columns, shape), values), shape=shape).astype(dtype)


def _is_pair(value: Any, shape: tuple[int, ...]) -> bool:
    """Whether (value, …) is two (column, value) pairs and not columns and values."""
    return isinstance(value, tuple) and len(value) == 2


def _indices(columns: Any, shape: tuple[int, ...]) -> Any:
    import numpy as np

    out = np.asarray(columns, np.int64) if len(columns) else np.zeros((0, len(shape)), np.int64)
    return out.reshape(-1, 1) if out.ndim == 1 and len(shape) == 1 else out


def parquet_source(paths: list[str], options: dict[str, Any]) -> Any:
    """Parquet files, read by PyArrow a batch of rows at a time."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise Error(
            "Parquet is read by PyArrow, which is not installed: pip install pyarrow; or give any Arrow stream of it, such as "
            "ferry.dataset(polars.read_parquet(path))", "unsupported"
        ) from None  # fmt: skip
    columns = options.pop("columns", None)

    def reader() -> Any:
        first = pq.ParquetFile(paths[0])
        schema = first.schema_arrow if columns is None else pa.schema([first.schema_arrow.field(name) for name in columns])
        schema = schema.remove_metadata()

        def batches() -> Iterator[Any]:
            for path in paths:
                for batch in pq.ParquetFile(path).iter_batches(columns=columns):
                    yield pa.RecordBatch.from_arrays(batch.select(schema.names).columns, schema=schema)

        return pa.RecordBatchReader.from_batches(schema, batches())

    import os

    return _core._dataset_arrow(reader, " ".join(["parquet", *(f"{os.path.basename(path)}:{os.path.getsize(path)}" for path in paths)]))
