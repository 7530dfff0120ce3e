"""TensorMap: named tensors in order, with text metadata for each and for the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
TYPE_CHECKING = False  # type checkers take it for true; importing typing costs a third of our import
if TYPE_CHECKING:
    from typing import Any

from . import _core
from ._convert import as_tensor

if TYPE_CHECKING:
    from ._core import DenseTensor, RaggedTensor, SparseTensor

    Tensor = DenseTensor | SparseTensor | RaggedTensor

STRUCTURE = "tensorferry.structure"  # the key of metadata under which _nested.py keeps what names cannot say


class TensorMap(MutableMapping[str, "Tensor"]):
    """A dict of tensors by name, in order. Values that are no tensors of ours (arrays, SciPy matrices, …) become ones when set.

    One that load() gives reads a tensor from the source when it is first asked for; names, len and repr read none.

    metadata: text by key, of the whole map.
    tensor_metadata: text by key for each name that has any.
    format: the format it was read from, or None.
    """

    # _tensors: by name, the tensor, or its position in _listing where nobody has asked for it yet. None while it would hold
    # what _listing holds, in the same order.
    # _texts: tensor_metadata, or None where the listing has yet to look.
    __slots__ = ("_tensors", "_listing", "metadata", "_texts", "format")

    def __init__(self, tensors: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), metadata: Mapping[str, str] | None = None):
        self._tensors: dict[str, Tensor | int] | None = {}
        self._listing: Any = None
        self.metadata: dict[str, str] = dict(metadata or {})
        self._texts: dict[str, dict[str, str]] | None = {}
        self.format: str | None = None
        if isinstance(tensors, TensorMap):
            self._tensors = None if tensors._tensors is None else dict(tensors._tensors)
            self._listing = tensors._listing
            self.metadata = {**tensors.metadata, **self.metadata}
            self._texts = None if tensors._texts is None else {name: dict(texts) for name, texts in tensors._texts.items()}
            self.format = tensors.format
            return
        for name, value in tensors.items() if isinstance(tensors, Mapping) else tensors:
            self[name] = value

    @classmethod
    def _opened(cls, listing: Any, format: str, metadata: dict[str, str], texts: dict[str, dict[str, str]] | None, lazy: bool) -> TensorMap:
        self = cls.__new__(cls)
        self._tensors, self._listing = None, listing
        self.metadata, self._texts, self.format = metadata, texts, format
        if not lazy:
            for position in range(len(listing)):
                listing.at(position)
        return self

    @property
    def tensor_metadata(self) -> dict[str, dict[str, str]]:
        if self._texts is None:
            self._texts = self._listing.texts()
        return self._texts

    @tensor_metadata.setter
    def tensor_metadata(self, texts: dict[str, dict[str, str]]) -> None:
        self._texts = texts

    def _own(self) -> dict[str, Any]:
        """_tensors as a dict, for a change."""
        if self._tensors is None:
            self._tensors = self._listing.positions()
        return self._tensors

    def __getitem__(self, name: str) -> Tensor:
        if self._tensors is None:
            found = self._listing.get(name)
        else:
            found = self._tensors.get(name)
            if type(found) is int:
                found = self._tensors[name] = self._listing.at(found)
        if found is None:
            names = list(self)
            known = ", ".join(repr(n) for n in names[:8]) + (", …" if len(names) > 8 else "")
            raise KeyError(f"no tensor is called {name!r}; there are {known or 'none'}")
        return found

    def __setitem__(self, name: str, value: Any) -> None:
        if not isinstance(name, str):
            raise TypeError(f"a tensor's name is a str, not {type(name).__name__}")
        self._own()[name] = as_tensor(value)

    def __delitem__(self, name: str) -> None:
        del self._own()[name]
        self.tensor_metadata.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return name in (self._listing if self._tensors is None else self._tensors)

    def __iter__(self) -> Iterator[str]:
        return iter(self._listing.names() if self._tensors is None else self._tensors)

    def __len__(self) -> int:
        return len(self._listing if self._tensors is None else self._tensors)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TensorMap):
            return NotImplemented
        if len(self) != len(other) or self.metadata != other.metadata or self.tensor_metadata != other.tensor_metadata:
            return False
        return all(name in other for name in self) and all(self[name] == other[name] for name in self)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        from ._repr import tensor_map

        return tensor_map(self)

    def _glance(self, name: str) -> Any:
        """The tensor where it is there, else (kind, dtype, shape, nnz) from the header."""
        found = None if self._tensors is None else self._tensors[name]
        return self._listing.facts(name) if found is None or type(found) is int else found

    def copy(self) -> TensorMap:
        """Another map of the same tensors, which are shared; what was not read is still not read."""
        return type(self)(self)

    __copy__ = copy

    def nested(self, types: Iterable[type] = ()) -> Any:
        """The nested dicts, lists and tuples that were saved: unflatten(self, types)."""
        from ._nested import unflatten

        return unflatten(self, types)

    def __reduce__(self) -> tuple[Any, ...]:
        from ._pickle import restore_map

        return restore_map, (list(self.items()), self.metadata, self.tensor_metadata, self.format)

    def _entries(self) -> list[tuple[str, Tensor, dict[str, str] | None]]:
        return [(name, tensor, self.tensor_metadata.get(name)) for name, tensor in self.items()]

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The tensors as the columns of an Arrow table, shared: pyarrow.table(map), polars.DataFrame(map)."""
        return _core._arrow_stream(self._entries(), self.metadata)

    def __arrow_c_schema__(self) -> Any:
        return _core._arrow_schema(self._entries(), self.metadata)
