"""Dataset: streams of batches from files, tensors and iterators, larger than memory."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from . import _core
from ._adapters import Adapters
from ._convert import _OURS, as_tensor
from ._errors import Error
from ._map import TensorMap
from ._recipe import record_stages, source as source_of
from ._spec import ElementSpec


def make_map(entries: list[tuple[str, Any]]) -> TensorMap:
    """A TensorMap of tensors that are ours already."""
    out = TensorMap()
    out._tensors = dict(entries)
    return out


def map_pairs(value: Any) -> list[tuple[str, Any]]:
    """What a function of the user gave, as (name, tensor) pairs."""
    if isinstance(value, TensorMap):
        return list(value.items())
    if isinstance(value, Mapping):
        return [(name, as_tensor(tensor)) for name, tensor in value.items()]
    if value is None:
        raise TypeError("map's function gave None; it gives a TensorMap or a dict of tensors")
    raise TypeError(f"map's function gave a {type(value).__name__}, expected a TensorMap or a dict of tensors")


_open: Any = weakref.WeakSet()  # iterators, whose threads must not call Python while the interpreter ends


def _close_all() -> None:
    for iterator in list(_open):
        iterator.close()


class DatasetIterator(Iterator[TensorMap]):
    """One pass over a Dataset. state() says where it stands; ds.iterator(state=…) goes on from there. close() stops its threads, as
    dropping it does."""

    __slots__ = ("_core", "__weakref__")

    def __init__(self, core: Any):
        self._core = core
        if not _open:
            import atexit

            atexit.unregister(_close_all)
            atexit.register(_close_all)
        _open.add(self)

    def __iter__(self) -> DatasetIterator:
        return self

    def __next__(self) -> TensorMap:
        entries = self._core.next()
        if entries is None:
            raise StopIteration
        return make_map(entries)

    def state(self) -> str:
        """JSON text: where the stream stands after the batch given last. Good in another process, for the same stages and data."""
        return self._core.state()

    @property
    def skipped(self) -> int:
        """Rows left out so far, with on_error="skip"."""
        return self._core.skipped()

    @property
    def element_spec(self) -> dict[str, ElementSpec]:
        return _specs(self._core.element_spec())

    def close(self) -> None:
        self._core.close()

    def __enter__(self) -> DatasetIterator:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _specs(rows: list[tuple[Any, ...]]) -> dict[str, ElementSpec]:
    return {row[0]: ElementSpec(*row) for row in rows}


def _log(line: str) -> None:
    import logging

    logging.getLogger("tensorferry.dataset").warning("left out: %s", line)


def _name_of(function: Any) -> str:
    return getattr(function, "__qualname__", None) or type(function).__qualname__


class Dataset(Adapters):
    """A stream of rows, and after batch() of TensorMaps, with the adapters tf(), keras(), torch() and scipy(). Each stage gives a new
    Dataset; nothing is read before iteration.

    Each iteration over one Dataset is a pass of its own: the first is epoch 0, the next 1, and shuffles differ from pass to pass.
    iterator(epoch=…) asks for a certain one. The order depends on data, stages and seeds only, never on threads.
    """

    __slots__ = ("_core", "_threads", "_on_error", "_epoch", "_spec", "_recipe", "__weakref__")

    def __init__(self, core: Any, threads: int = 0, on_error: str = "stop"):
        self._core, self._threads, self._on_error = core, threads, on_error
        self._epoch = 0
        self._spec: dict[str, ElementSpec] | None = None
        self._recipe: Any = None

    def _with(self, core: Any) -> Any:
        return type(self)(core, self._threads, self._on_error)

    # ---- Stages

    def shuffle(self, buffer: int | None = None, seed: int | None = None, reshuffle: bool = True) -> Dataset:
        """Rows in random order. buffer: how many are kept to choose from; None shuffles all, where the source can go to any row.
        Without a seed one is drawn, which the state remembers. reshuffle=False: the same order in each pass."""
        if buffer is not None and buffer < 1:
            raise ValueError(f"a shuffle buffer of {buffer} rows was asked for, expected at least 1")
        if seed is not None:
            seed = int(seed) & (2**64 - 1)
        return self._with(self._core.shuffle(buffer or 0, seed, reshuffle))

    def interleave(self, cycle_length: int = 4, block_length: int = 1) -> Dataset:
        """Takes block_length rows from each of cycle_length files in turn. Stands right after the source."""
        return self._with(self._core.interleave(cycle_length, block_length))

    def batch(
        self,
        size: int,
        drop_remainder: bool = False,
        *,
        sparse: str = "coo",
        ragged: str = "ragged",
        padding: float = 0,
        widths: Mapping[str, int] | None = None,
    ) -> Dataset:
        """Many rows as one TensorMap, with an axis 0 of their own. sparse: "coo" or "csr". ragged: "ragged", or "pad" for dense
        tensors as wide as the longest row, or as widths say by name."""
        if ragged not in ("ragged", "pad"):
            raise ValueError(f"ragged is {ragged!r}, expected 'ragged' or 'pad'")
        return self._with(self._core.batch(size, drop_remainder, sparse, ragged == "pad", padding, list((widths or {}).items())))

    def bucket_by_length(
        self,
        name: str,
        boundaries: Sequence[int],
        sizes: Sequence[int],
        drop_remainder: bool = False,
        *,
        sparse: str = "coo",
        ragged: str = "ragged",
        padding: float = 0,
        widths: Mapping[str, int] | None = None,
    ) -> Dataset:
        """Batches of rows of similar length: those whose tensor `name` has up to boundaries[i] values go to bucket i, the rest to the
        last. sizes: of the batches of each bucket, one more than boundaries."""
        if ragged not in ("ragged", "pad"):
            raise ValueError(f"ragged is {ragged!r}, expected 'ragged' or 'pad'")
        core = self._core.bucket_by_length(
            name, list(boundaries), list(sizes), drop_remainder, sparse, ragged == "pad", padding, list((widths or {}).items())
        )
        return self._with(core)

    def cache(self, path: str | os.PathLike[str]) -> Dataset:
        """Rows as they come are kept in a file, written in the first pass that gets to the end, and read from there later for as long as
        the source and the stages before are the same. Behind it rows can be shuffled all at once, whatever the source."""
        return self._with(self._core.cache(os.fspath(path)))

    def map(self, function: Callable[[TensorMap], Any], name: str | None = None) -> Dataset:
        """function(TensorMap) gives a TensorMap or a dict. After batch() it gets batches; before, single rows, which is much slower.
        It is called in the thread that iterates, or by prefetch()'s. name stands for it in the state."""
        return self._with(self._core.map(function, name or _name_of(function)))

    def filter(self, function: Callable[[TensorMap], Any], name: str | None = None) -> Dataset:
        """Keeps what function(TensorMap) is true for: batches, or before batch() single rows, which is much slower."""
        return self._with(self._core.filter(function, name or _name_of(function)))

    def repeat(self, count: int | None = None) -> Dataset:
        """count times, or for ever; each time a pass of its own for the shuffles before it."""
        return self._with(self._core.repeat(count))

    def shard(self, index: int, count: int) -> Dataset:
        """Every count-th element, beginning with the index-th."""
        return self._with(self._core.shard(index, count))

    def skip(self, count: int) -> Dataset:
        return self._with(self._core.skip(count))

    def take(self, count: int) -> Dataset:
        return self._with(self._core.take(count))

    def prefetch(self, count: int = 2) -> Dataset:
        """Makes up to count batches ahead, on threads of their own."""
        return self._with(self._core.prefetch(count))

    def with_options(self, *, threads: int | None = None, on_error: str | None = None) -> Dataset:
        """threads: that decode (0: as ferry.get_threads() says). on_error: "stop" at the first damage, or "skip" what is damaged."""
        if on_error not in (None, "stop", "skip"):
            raise ValueError(f"on_error is {on_error!r}, expected 'stop' or 'skip'")
        return type(self)(self._core, self._threads if threads is None else threads, self._on_error if on_error is None else on_error)

    # ---- Use

    @property
    def element_spec(self) -> dict[str, ElementSpec]:
        """What each tensor of an element is, by name."""
        if self._spec is None:
            self._spec = _specs(self._core.element_spec())
        return self._spec

    @property
    def is_batched(self) -> bool:
        return self._core.is_batched

    def iterator(self, *, state: str | None = None, epoch: int | None = None, threads: int | None = None) -> DatasetIterator:
        """A pass over the dataset: the epoch's, or the one that a state tells of, from the very next element on."""
        threads = threads or self._threads or _core.get_threads()
        if epoch is None:
            epoch = 0 if state else self._epoch
        log = _log if self._on_error == "skip" else None
        return DatasetIterator(_core._DatasetIterator(self._core, threads, epoch, self._on_error, state or "", log))

    def __iter__(self) -> DatasetIterator:
        out = self.iterator()
        self._epoch += 1
        return out

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next iteration is."""
        self._epoch = epoch

    def __len__(self) -> int:
        size = self._core.size()
        if size is None:
            raise TypeError("how many elements there are is not known without reading them; size is None")
        return size

    @property
    def size(self) -> int | None:
        """Elements in a pass, or None where only reading them tells."""
        return self._core.size()

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return "Dataset:\n" + "".join(f"  {line}\n" for line in self._core.describe().splitlines()).rstrip("\n")


@source_of
def dataset(source: Any, spec: Any = None, format: str | None = None, *, on_error: str = "stop", threads: int = 0, **options: Any) -> Dataset:
    """A Dataset of the rows of `source`:

    - a path, a glob or a list of them. format: "tfrecord", "libsvm", "csv", "tsv", "criteo", "parquet", or any format that load()
      reads, whose tensors share axis 0; without one the first file says. Text and records may be compressed.
    - tensors in memory: a mapping by name, or one matrix or array, called "x".
    - anything with __arrow_c_stream__ (a pyarrow Table or RecordBatchReader), or a function that gives one for each pass.
    - an iterable of rows, or a function that gives an iterator for each pass: dicts or TensorMaps by name, sparse rows as
      from_generator takes them.

    spec: for records what tf.io.parse_example takes, by name, or a schema's text; for iterables what a row is, as element_spec says it.
    on_error: "stop" at the first damage, or "skip" and count what is damaged. threads: that decode, 0 for one a core.
    Other keywords are the source's: columns=, base=, dtype=, label_dtype= (libsvm); header=, delimiter=, dtypes=, missing=, shape=,
    kind= (csv); numbers=, categories=, width=, missing=, logarithm=, sparse=, label= (criteo); columns= (parquet).
    """
    core = _source(source, spec, format, options)
    if options:
        raise TypeError(f"{next(iter(options))!r} is no option of this source")
    return Dataset(core).with_options(threads=threads, on_error=on_error)


def _source(source: Any, spec: Any, format: str | None, options: dict[str, Any]) -> Any:
    if isinstance(source, (str, os.PathLike)):
        return _files([os.fspath(source)], spec, format, options)
    if isinstance(source, (list, tuple)) and source and all(isinstance(one, (str, os.PathLike)) for one in source):
        return _files([os.fspath(one) for one in source], spec, format, options)
    if format is not None:
        raise TypeError("format= is for files")
    if isinstance(source, Mapping):
        return _core._dataset_tensors([(name, as_tensor(tensor)) for name, tensor in source.items()])
    if hasattr(source, "__arrow_c_stream__") and not isinstance(source, _OURS):
        from ._dataset_rows import arrow_source

        return arrow_source(source)
    if isinstance(source, _OURS) or hasattr(source, "__array__") or hasattr(source, "tocsr"):
        return _core._dataset_tensors([("x", as_tensor(source))])
    if callable(source) or hasattr(source, "__iter__"):
        from ._dataset_rows import rows_source

        return rows_source(source, spec)
    raise TypeError(f"expected paths, tensors, an Arrow stream or an iterable of rows, not {type(source).__name__}")


def _format_by_name(path: str) -> str | None:
    """Where the name leaves no doubt; else what is in the file says."""
    name = path.lower()
    for packed in (".gz", ".zst"):
        name = name.removesuffix(packed)
    if name.endswith((".parquet", ".pq")):
        return "parquet"
    from ._files import _format_of

    found = _format_of(name)
    return found if found in ("tfrecord", "libsvm", "csv", "tsv") else None


_TEXT = {"csv": ",", "tsv": "\t"}


def _files(paths: list[str], spec: Any, format: str | None, options: dict[str, Any]) -> Any:
    if format is None:
        first = _core._dataset_paths(paths)[0]
        format = _format_by_name(first) or _core._dataset_format(first)
    if format == "parquet":
        from ._dataset_rows import parquet_source

        return parquet_source(_core._dataset_paths(paths), options)
    if spec is not None and format != "tfrecord":
        raise TypeError(f"spec= is for records and iterables; a {format} source says itself what its rows are")
    if format == "tfrecord":
        if isinstance(spec, str) and spec == "bytes":
            return _core._dataset_record_bytes(paths)
        from ._features import to_core

        return _core._dataset_records(paths, to_core(spec))
    if format == "libsvm":
        return _core._dataset_libsvm(
            paths, options.pop("columns", -1), options.pop("base", -1), options.pop("dtype", "float32"), options.pop("label_dtype", "float32")
        )
    if format in _TEXT:
        return _core._dataset_csv(
            paths, options.pop("kind", "auto"), options.pop("delimiter", _TEXT[format]), options.pop("header", None),
            dict(options.pop("dtypes", {})), options.pop("missing", None), options.pop("shape", None), options.pop("base", 0),
        )  # fmt: skip
    if format == "criteo":
        return _core._dataset_criteo(
            paths, options.pop("numbers", 13), options.pop("categories", 26), options.pop("width", 1 << 20), options.pop("missing", 0.0),
            options.pop("logarithm", False), options.pop("sparse", False), options.pop("label", True),
        )  # fmt: skip
    return _core._dataset_shards(paths, format)


class SparseDataset(Dataset):
    """Datasets of sparse rows: from_pairs, from_scipy, from_generator. A row is a vector of `columns`; a batch of them COO or CSR,
    sorted."""

    __slots__ = ()

    @classmethod
    def from_pairs(cls, pairs: Any, shape: Sequence[int] | None = None, labels: Any = None, *, name: str = "x", duplicates: Any = None) -> Dataset:
        """The rows of a sparse matrix from {(row, column): value}, ((row, column), value) pairs or anything SparseTensor.from_pairs
        takes. labels: one a row, under the name "y"."""
        keywords = {} if duplicates is None else {"duplicates": duplicates}
        return cls._of_matrix(_core.SparseTensor.from_pairs(pairs, shape=shape, **keywords), labels, name)

    @classmethod
    def from_scipy(cls, matrix: Any, labels: Any = None, *, name: str = "x") -> Dataset:
        """The rows of a SciPy sparse matrix or array, whose memory is shared. labels: one a row, under the name "y"."""
        return cls._of_matrix(_core.SparseTensor.from_scipy(matrix), labels, name)

    @classmethod
    @source_of
    def _of_matrix(cls, matrix: Any, labels: Any, name: str) -> Dataset:
        entries = [(name, matrix)]
        if isinstance(labels, Mapping):
            entries += [(key, as_tensor(value)) for key, value in labels.items()]
        elif labels is not None:
            entries.append(("y", as_tensor(labels)))
        return cls(_core._dataset_tensors(entries))

    @classmethod
    @source_of
    def from_generator(cls, rows: Any, shape: Any, dtype: Any = "float32", *, name: str = "x", label_dtype: Any = None) -> Dataset:
        """Rows that Python makes, one by one: a function that gives an iterator for each pass, or an iterable.

        A row is {column: value}, an iterable of (column, value) pairs, (columns, values) as two arrays, a SciPy matrix of one row or a
        SparseTensor; with label_dtype a tuple (row, label), whose label is called "y". Columns may come in any order.
        shape: the number of columns, or of a row of several axes its shape."""
        from ._dataset_rows import sparse_rows_source

        return cls(sparse_rows_source(rows, shape, dtype, name, label_dtype))


record_stages(Dataset)
