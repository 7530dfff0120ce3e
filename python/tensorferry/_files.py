"""load, save, loads, dumps, inspect, formats: any format, to and from paths, file objects and bytes."""

from __future__ import annotations

import os
from collections import namedtuple
from collections.abc import Iterable, Iterator, Mapping
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from . import _core
from ._convert import _OURS
from ._errors import Error
from ._map import STRUCTURE, TensorMap


def _is_bytes(source: Any) -> bool:
    return not isinstance(source, (str, os.PathLike)) and not hasattr(source, "read")


def _call(on_path: Any, on_bytes: Any, source: Any, rest: tuple[Any, ...]) -> Any:
    if isinstance(source, (str, os.PathLike)):
        return on_path(os.fsencode(source), *rest)
    name = None
    if hasattr(source, "read"):
        name = getattr(source, "name", None)
        name = name if isinstance(name, str) else None
        source = source.read()
        if isinstance(source, str):
            raise TypeError("the file object gives str; open it in binary mode")
    try:
        memoryview(source)
    except TypeError:
        raise TypeError(f"expected a path, a binary file object or bytes, not {type(source).__name__}") from None
    return on_bytes(source, name, *rest)


def _opened(found: tuple[Any, ...], lazy: bool) -> Any:
    listing, format, metadata, texts = found
    if len(listing) == 1 and STRUCTURE not in metadata and "" in listing:
        return listing.at(0)
    return TensorMap._opened(listing, format, metadata, texts, lazy)


def load(
    source: Any,
    format: str | None = None,
    *,
    parts: bool | Mapping[str, Iterable[str]] = True,
    validate: str = "bounds",
    limits: Mapping[str, int] | None = None,
    lazy: bool = True,
    **options: Any,
) -> Any:
    """Opens a path or a binary file object (or bytes, as loads): a TensorMap, or the tensor itself where the source holds
    one tensor and no name for it (npy, mtx, tensorproto, tf_sparse, a bare JSON value).

    Of a map, only the listing is read here; each tensor when it is first asked for, so that damage in one shows when that one is
    asked for. lazy=False reads all of them now.

    format: a format's id; without one it is found by the first bytes and the name's extension.
    parts: False leaves `x/indices`, `x/values`, … as they are; a mapping names the arrays that make up a tensor.
    validate: how far values are checked: trust, bounds or canonical.
    limits: other limits than usual on what the source may cost, by name (docs/security.md).
    Other keywords are options of the format; formats() lists them.
    """
    found = _call(_core._open_path, _core._open_bytes, source, (format, parts, validate, limits, options))
    if lazy and _is_bytes(source):
        lazy = memoryview(source).readonly
    return _opened(found, lazy)


def loads(data: Any, format: str | None = None, **keywords: Any) -> Any:
    """load() for bytes, or anything with the buffer protocol. Tensors share the memory where they can, and keep it.

    Memory that may change (a bytearray) is not read lazily; tensors that share it follow its changes all the same.
    """
    if not _is_bytes(data):
        raise TypeError(f"loads takes bytes, not {type(data).__name__}; load takes a path or a file object")
    return load(data, format, **keywords)


def _to_write(tensors: Any, metadata: Any) -> tuple[list[tuple[str, Any, Any]], Mapping[str, str]]:
    if type(tensors) in _OURS and metadata is True:
        return [("", tensors, None)], {}
    kind = type(tensors)
    if kind.__name__ == "ndarray" and kind.__module__ == "numpy" and metadata is True and tensors.dtype.kind in "biufc":
        return [("", _core.DenseTensor(tensors), None)], {}  # the usual case, without a look at what else it may be
    if not (isinstance(tensors, TensorMap) and metadata is True):
        from ._nested import to_write

        tensors = to_write(tensors, metadata)
    return tensors._entries(), tensors.metadata


def save(target: Any, tensors: Any, format: str | None = None, *, metadata: Any = True, **options: Any) -> None:
    """Writes tensors to a path or a binary file object: one tensor (under no name), a mapping of them, or nested dicts, lists, tuples
    and dataclasses of them, which flatten() gives paths for names and load(…).nested() gives back.

    A tensor may be anything as_tensor takes: arrays, SciPy matrices, tensors of other frameworks, numbers, strings.
    A file is written beside its name and renamed when it is complete. format: a format's id; without one the extension says it.
    metadata: True keeps the map's metadata, the structure, and the name that a variable or series has; a set of facts ("device",
    "framework", "dtype", "shape") keeps these of each tensor besides, as text; False keeps none. Not every format has room for it.
    Other keywords are options of the format.
    """
    if not isinstance(target, (str, os.PathLike)) and not hasattr(target, "write"):
        raise TypeError(f"expected a path or a binary file object, not {type(target).__name__}")
    entries, texts = _to_write(tensors, metadata)
    if isinstance(target, (str, os.PathLike)):
        _core._save_path(entries, texts, os.fsencode(target), format, options)
        return
    if format is None:
        name = getattr(target, "name", None)
        format = _format_of(name) if isinstance(name, str) else None
        if format is None:
            raise Error("the file object has no name that tells a format; say format=", "unsupported")
    target.write(_core._save_bytes(entries, texts, format, options))


def _format_of(name: str) -> str | None:
    found = [(len(e), row["id"]) for row in _core._formats() for e in row["extensions"] if name.lower().endswith(e)]
    return max(found)[1] if found else None


def dumps(tensors: Any, format: str, *, metadata: Any = True, **options: Any) -> bytes:
    """save() to bytes."""
    if format is None:
        raise TypeError("dumps needs a format; formats() lists them")
    entries, texts = _to_write(tensors, metadata)
    return _core._save_bytes(entries, texts, format, options)


class TensorInfo(namedtuple("TensorInfo", "name kind dtype shape nnz bytes offset zero_copy metadata")):
    """What a header says of one tensor: name, kind (dense, coo, csr, csc, ragged), dtype, shape (None for a ragged axis),
    nnz (None for a dense one), bytes in memory, offset of its data in the file (or None), zero_copy and metadata."""

    __slots__ = ()


class Inspection:
    """What a file holds, by its headers alone: path, format, metadata and tensors. Iterates over these, and gives one by name."""

    __slots__ = ("path", "format", "metadata", "tensors")

    def __init__(self, path: str | None, format: str, metadata: dict[str, str], tensors: tuple[TensorInfo, ...]):
        self.path, self.format, self.metadata, self.tensors = path, format, metadata, tensors

    def __iter__(self) -> Iterator[TensorInfo]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def __getitem__(self, name: str) -> TensorInfo:
        for tensor in self.tensors:
            if tensor.name == name:
                return tensor
        raise KeyError(f"no tensor is called {name!r}")

    def __repr__(self) -> str:
        from ._repr import inspection

        return inspection(self)


def inspect(
    source: Any,
    format: str | None = None,
    *,
    parts: bool | Mapping[str, Iterable[str]] = True,
    validate: str = "bounds",
    limits: Mapping[str, int] | None = None,
    **options: Any,
) -> Inspection:
    """The tensors in a path, a binary file object or bytes, from headers alone where the format has them."""
    id, metadata, rows = _call(_core._inspect_path, _core._inspect_bytes, source, (format, parts, validate, limits, options))
    path = os.fsdecode(source) if isinstance(source, (str, os.PathLike)) else None
    return Inspection(path, id, metadata, tuple(TensorInfo(*row) for row in rows))


class FormatInfo(
    namedtuple("FormatInfo", "id summary extensions read write kinds dtypes names metadata many streams several_files options")
):
    """A row of the table of formats: what one can read, write and hold. options are (name, values, help). What is several_files
    goes to a path, not to dumps."""

    __slots__ = ()


def formats() -> list[FormatInfo]:
    """Every format that load and save know."""
    return [FormatInfo(**row) for row in _core._formats()]
