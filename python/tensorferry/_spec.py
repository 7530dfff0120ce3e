"""ElementSpec: what one tensor of every batch is. A dataset's element_spec is a tuple of them."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from . import _core
from ._core import DenseTensor, RaggedTensor, SparseTensor
from ._errors import Error

_KINDS = ("dense", "coo", "csr", "csc", "ragged")


class ElementSpec(namedtuple("ElementSpec", "name kind dtype shape ragged_rank")):
    """What one tensor of every batch is: name, kind (dense, coo, csr, csc, ragged), dtype, shape (None where batches differ, and for
    ragged axes) and how many levels of row_splits a ragged one has."""

    __slots__ = ()

    def __new__(cls, name: str, kind: str = "dense", dtype: Any = "float32", shape: Iterable[int | None] = (), ragged_rank: int = 0):
        if kind not in _KINDS:
            raise ValueError(f"the kind of {name!r} is {kind!r}, expected one of {', '.join(_KINDS)}")
        shape = tuple(None if n is None or n < 0 else int(n) for n in shape)
        ragged_rank = int(ragged_rank) or (1 if kind == "ragged" else 0)
        return super().__new__(cls, name, kind, _core.as_dtype(dtype), shape, ragged_rank)

    @property
    def is_sparse(self) -> bool:
        return self.kind in ("coo", "csr", "csc")

    def check(self, tensor: Any) -> None:
        """An Error where a tensor is not what this says. Which layout a sparse one has does not matter."""
        found = spec_of(self.name, tensor)
        fits = found.dtype == self.dtype and found.is_sparse == self.is_sparse and found.ragged_rank == self.ragged_rank
        fits = fits and len(found.shape) == len(self.shape)
        if not fits or any(b is not None and a != b for a, b in zip(tensor.shape, self.shape)):
            raise Error(f"tensor {self.name!r} is {describe(found)}, expected {describe(self)}; say element_spec= for batches that differ")


def describe(spec: ElementSpec) -> str:
    shape = ", ".join("?" if n is None else str(n) for n in spec.shape)
    kind = "sparse" if spec.is_sparse else spec.kind
    return f"{kind} {spec.dtype} [{shape}]" + (f" with {spec.ragged_rank} ragged axes" if spec.ragged_rank > 1 else "")


def spec_of(name: str, tensor: DenseTensor | SparseTensor | RaggedTensor) -> ElementSpec:
    """Of one tensor, as it is."""
    if isinstance(tensor, SparseTensor):
        return ElementSpec(name, tensor.layout, tensor.dtype, tensor.shape)
    if isinstance(tensor, RaggedTensor):
        return ElementSpec(name, "ragged", tensor.dtype, tensor.shape, tensor.ragged_rank)
    return ElementSpec(name, "dense", tensor.dtype, tensor.shape)


def batch_specs(tensors: Iterable[tuple[str, Any]]) -> tuple[ElementSpec, ...]:
    """Of batches such as this one: the first axis, which is the batch's, may have any length."""
    found = []
    for name, tensor in tensors:
        spec = spec_of(name, tensor)
        found.append(spec._replace(shape=(None, *spec.shape[1:])) if spec.shape else spec)
    return tuple(found)


def as_specs(specs: Any) -> tuple[ElementSpec, ...]:
    """ElementSpecs of anything that says as much: a sequence, or a mapping by name, of ones like them."""
    if hasattr(specs, "items"):
        specs = [_as_spec(spec, name) for name, spec in specs.items()]
    return tuple(_as_spec(spec, getattr(spec, "name", "")) for spec in specs)


def _as_spec(spec: Any, name: str) -> ElementSpec:
    if isinstance(spec, ElementSpec):
        return spec if spec.name == name else spec._replace(name=name)
    return ElementSpec(name, spec.kind, spec.dtype, spec.shape, getattr(spec, "ragged_rank", None) or 0)
