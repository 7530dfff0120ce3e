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


class TensorMap(MutableMapping[str, "Tensor"]):
    """A dict of tensors by name, in order. Values that are no tensors of ours (arrays, SciPy matrices, …) become ones when set.

    metadata: text by key, of the whole map.
    tensor_metadata: text by key for each name that has any.
    format: the format it was read from, or None.
    """

    __slots__ = ("_tensors", "metadata", "tensor_metadata", "format")

    def __init__(self, tensors: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), metadata: Mapping[str, str] | None = None):
        self._tensors: dict[str, Tensor] = {}
        self.metadata: dict[str, str] = dict(metadata or {})
        self.tensor_metadata: dict[str, dict[str, str]] = {}
        self.format: str | None = None
        if isinstance(tensors, TensorMap):
            self.metadata = {**tensors.metadata, **self.metadata}
            self.tensor_metadata = {name: dict(texts) for name, texts in tensors.tensor_metadata.items()}
            self.format = tensors.format
        for name, value in tensors.items() if isinstance(tensors, Mapping) else tensors:
            self[name] = value

    def __getitem__(self, name: str) -> Tensor:
        try:
            return self._tensors[name]
        except KeyError:
            known = ", ".join(repr(n) for n in list(self._tensors)[:8]) + (", …" if len(self._tensors) > 8 else "")
            raise KeyError(f"no tensor is called {name!r}; there are {known or 'none'}") from None

    def __setitem__(self, name: str, value: Any) -> None:
        if not isinstance(name, str):
            raise TypeError(f"a tensor's name is a str, not {type(name).__name__}")
        self._tensors[name] = as_tensor(value)

    def __delitem__(self, name: str) -> None:
        del self._tensors[name]
        self.tensor_metadata.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TensorMap):
            return NotImplemented
        return self._tensors == other._tensors and self.metadata == other.metadata and self.tensor_metadata == other.tensor_metadata

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        from ._repr import tensor_map

        return tensor_map(self)

    def _entries(self) -> list[tuple[str, Tensor, dict[str, str] | None]]:
        return [(name, tensor, self.tensor_metadata.get(name)) for name, tensor in self._tensors.items()]

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The tensors as the columns of an Arrow table, shared: pyarrow.table(map), polars.DataFrame(map)."""
        return _core._arrow_stream(self._entries(), self.metadata)

    def __arrow_c_schema__(self) -> Any:
        return _core._arrow_schema(self._entries(), self.metadata)
