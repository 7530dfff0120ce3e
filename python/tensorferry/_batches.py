"""Batches: a stream of batches that someone else makes, with every adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from ._adapters import Adapters
from ._convert import as_tensor
from ._core import SparseTensor
from ._errors import Error
from ._map import TensorMap
from ._spec import ElementSpec, as_specs, batch_specs

_PARTS = ("x", "label", "weight")


class Batches(Adapters):
    """What a generator of batches was for: Batches(make).tf(), .keras(), .torch(), .scipy(), or plain iteration over TensorMaps.

        def make():
            for …: yield tf.sparse.SparseTensor(…), labels
        model.fit(ferry.Batches(make).keras())

    batches: a function that gives an iterable of batches, called anew for each pass; or a list, or anything that can be iterated over
    again. An iterator or a generator that was already started is good for one pass.
    A batch is a mapping of tensors by name, one tensor (it is called "x"), or a tuple: x, or a mapping; label; weight. The adapters then
    take these for what they are. Tensors may be anything as_tensor takes: tf.sparse.SparseTensor, SciPy matrices, arrays, …
    Sparse ones are checked against their shape, and sorted where they are not.
    element_spec: ElementSpecs, for batches that differ from one another in more than their first axis. Without it the first batch says
    what all the others are, which is checked.
    """

    def __init__(self, batches: Callable[[], Iterable[Any]] | Iterable[Any], *, element_spec: Any = None):
        if not callable(batches) and not hasattr(batches, "__iter__"):
            raise TypeError(f"expected a function that gives batches, or a sequence of them, not {type(batches).__name__}")
        self._batches = batches
        self._first: list[TensorMap] = []  # what was taken from an iterator to look at
        self._once = not callable(batches) and hasattr(batches, "__next__")
        self._gone = False
        self._known: tuple[tuple[Any, Any, Any], tuple[ElementSpec, ...]] | None = None
        if element_spec is not None:
            specs = as_specs(element_spec)
            names = [spec.name for spec in specs]
            label = "label" if "label" in names else None
            self._known = ((None, label, "weight" if label and "weight" in names else None), specs)

    @property
    def size(self) -> int | None:
        """How many batches there are, where they lie in a list."""
        return len(self._batches) if hasattr(self._batches, "__len__") and not callable(self._batches) else None

    @property
    def element_spec(self) -> tuple[ElementSpec, ...]:
        return self._look()[1]

    @property
    def _roles(self) -> tuple[Any, Any, Any]:  # type: ignore[override]
        return self._look()[0]

    def _open(self) -> Iterator[Any]:
        if self._once:
            if self._gone:
                raise Error("the iterator was read to its end, or part of the way; Batches of a function that makes one can be read again")
            self._gone = True
        return iter(self._batches() if callable(self._batches) else self._batches)

    def _look(self) -> tuple[tuple[Any, Any, Any], tuple[ElementSpec, ...]]:
        if self._known is None:
            batches = iter(self._batches) if self._once else self._open()  # type: ignore[arg-type]
            try:
                first, roles = _as_map(next(batches))
            except StopIteration:
                raise Error("there is no batch to tell what batches are; say element_spec=") from None
            finally:
                if not self._once and hasattr(batches, "close"):
                    batches.close()
            if self._once:
                self._first.append(first)
            self._known = (roles, batch_specs(first.items()))
        return self._known

    def __iter__(self) -> Iterator[TensorMap]:
        specs = self.element_spec
        batches = self._open()

        def checked() -> Iterator[TensorMap]:
            number = 0
            try:
                while self._first:
                    yield self._first.pop()
                    number += 1
                for batch in batches:
                    try:
                        tensors = _as_map(batch)[0]
                        _check(tensors, specs)
                    except Error as error:
                        error.message = f"batch {number}: {error.message}"
                        raise
                    yield tensors
                    number += 1
            finally:
                if hasattr(batches, "close"):
                    batches.close()

        return checked()

    def shard(self, index: int, count: int) -> Batches:
        """Every count-th batch, beginning with index; the others are made and left out."""
        if not 0 <= index < count:
            raise ValueError(f"shard {index} of {count} was asked for")
        from itertools import islice

        out = Batches(lambda: islice(self if self._once else self._open(), index, None, count))
        out._known = self._look()
        return out


def _as_map(batch: Any) -> tuple[TensorMap, tuple[Any, Any, Any]]:
    """The batch, and which of its names are features, labels and weights."""
    if not isinstance(batch, tuple) or hasattr(batch, "dense_shape"):  # TensorFlow's SparseTensorValue is a tuple, too
        return _named(batch, _PARTS[0])[0], (None, None, None)
    if not 1 <= len(batch) <= 3:
        raise Error(f"a batch is a tuple of {len(batch)}, expected (x,), (x, label) or (x, label, weight)")
    out = TensorMap()
    roles: list[Any] = [None, None, None]
    for at, (part, name) in enumerate(zip(batch, _PARTS)):
        if part is None:
            continue
        tensors, names = _named(part, name)
        for key in tensors:
            if key in out:
                raise Error(f"two tensors of a batch are called {key!r}")
            out[key] = tensors[key]
        roles[at] = names
    return out, (roles[0], roles[1], roles[2])


def _named(value: Any, name: str) -> tuple[TensorMap, Any]:
    if isinstance(value, Mapping):
        tensors = TensorMap((key, _ordered(item)) for key, item in value.items())
        return tensors, list(tensors)
    return TensorMap({name: _ordered(value)}), name


def _ordered(value: Any) -> Any:
    tensor = as_tensor(value)
    return tensor.sort() if isinstance(tensor, SparseTensor) and not tensor.sorted else tensor


def _check(tensors: TensorMap, specs: tuple[ElementSpec, ...]) -> None:
    for spec in specs:
        if spec.name not in tensors:
            raise Error(f"it has no tensor {spec.name!r}; it has {', '.join(map(repr, tensors)) or 'none'}")
        spec.check(tensors[spec.name])
    if len(tensors) > len(specs):
        known = {spec.name for spec in specs}
        raise Error(f"it has a tensor {next(name for name in tensors if name not in known)!r}, which the first batch has not")
