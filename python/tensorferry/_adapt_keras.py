"""Batches as a data source of Keras 3: what fit, evaluate and predict take as x, by backend:

    tensorflow  a tf.data.Dataset of SparseTensors, RaggedTensors and dense tensors
    jax         BCOO and arrays
    torch       dense tensors: Keras has no sparse ones there

The source is a keras.utils.PyDataset, for whoever looks at its type, and one of Keras' data adapters, which is how a stream whose
length nobody knows can end an epoch: a PyDataset without a length is endless to Keras.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from ._adapt_tf import known_size, to_dataset
from ._core import DenseTensor, SparseTensor
from ._errors import Error
from ._roles import Roles
from ._spec import ElementSpec

_DENSE_LIMIT = 1 << 30  # bytes of one batch that become dense without anyone having asked for it
_CLASS_WEIGHT = "class_weight"  # the name of the weights that class_weight= makes
_RAN_OUT = ("ignore", "Your input ran out of data")
_warned: set[str] = set()


# ---- Tensors


def densified(tensor: Any, spec: ElementSpec, asked: bool) -> DenseTensor:
    """Dense; where a ragged row is short, zeros."""
    size = spec.dtype.itemsize
    for axis, n in enumerate(tensor.shape):
        if n is None:  # as long as its longest row
            splits = tensor.nested_row_splits[axis - 1]
            n = int((splits[1:] - splits[:-1]).max()) if len(splits) > 1 else 0
        size *= n
    if size > _DENSE_LIMIT and not asked:
        raise Error(
            f"a dense batch of {spec.name!r} would have {size} bytes; make the batches smaller, use a backend with sparse tensors, feed ids "
            "to an Embedding, or say densify=True",
            "limit_exceeded",
        )
    return tensor.to_dense()


def _round(count: int) -> int:
    """The next of 1 … 8, 10, 12, 14, 16, 20, 24 …: four for each power of two."""
    if count <= 8:
        return max(count, 1)
    step = 1 << (count - 1).bit_length() - 3
    return -(-count // step) * step


def to_bcoo(tensor: SparseTensor) -> Any:
    """A sorted BCOO with a round number of entries, since JAX compiles a program for each number it meets. Those beyond the tensor's
    own lie past the end of its axes, where JAX looks for padding."""
    import numpy as np
    from jax.experimental import sparse

    from ._jax import index_type

    tensor = tensor.tocoo()
    if not tensor.sorted:
        tensor = tensor.sort()
    count, size = tensor.nnz, _round(tensor.nnz)
    indices = np.empty((size, tensor.ndim), index_type(tensor))
    indices[:count], indices[count:] = tensor.indices, tensor.shape
    values = np.zeros(size, tensor.values.dtype)
    values[:count] = tensor.values
    return sparse.BCOO((values, indices), shape=tensor.shape, indices_sorted=True, unique_indices=tensor.unique)


def class_weights(labels: Any, weights: dict[int, float]) -> Any:
    """A weight for each row by its class, as Keras finds it: whole numbers, columns of them, or one-hot rows."""
    import numpy as np

    if labels.ndim > 1:
        labels = labels[..., 0] if labels.shape[-1] == 1 else labels.argmax(-1)
    kinds, places = np.unique(np.round(labels).astype(np.int64), return_inverse=True)
    return np.array([weights.get(int(kind), 1.0) for kind in kinds], np.float32)[places.reshape(labels.shape)]


# ---- Batches, before a backend sees them


class _Prepared:
    """The source's batches with what the backend cannot take made dense, and with the weights of classes."""

    def __init__(self, source: Any, roles: Roles, dense: set[str], asked: bool, class_weight: dict[int, float] | None):
        self.source, self.dense, self.asked, self.class_weight = source, dense, asked, class_weight
        self.given = roles.specs
        specs = [_dense_spec(spec) if spec.name in dense else spec for spec in roles.specs.values()]
        self.roles = roles
        roles.specs = {spec.name: spec for spec in specs}
        if class_weight is not None:
            self.label = self._lone_label()
            roles.structure = (*roles.structure, _CLASS_WEIGHT)
            roles.specs[_CLASS_WEIGHT] = ElementSpec(_CLASS_WEIGHT, "dense", "float32", (None,))

    def _lone_label(self) -> str:
        structure = self.roles.structure
        if not isinstance(structure, tuple) or not isinstance(structure[1], str):
            raise ValueError("class_weight= needs label= to name one tensor")
        if len(structure) > 2:
            raise ValueError("class_weight= and weight= both weigh the rows; give one of them")
        if self.roles.specs[structure[1]].kind != "dense":
            raise ValueError("class_weight= needs a dense label")
        return structure[1]

    @property
    def size(self) -> int | None:
        return known_size(self.source)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.source:
            out = {name: densified(batch[name], spec, self.asked) if name in self.dense else batch[name] for name, spec in self.given.items()}
            if self.class_weight is not None:
                out[_CLASS_WEIGHT] = DenseTensor(class_weights(out[self.label].to_numpy(), self.class_weight))
            yield out


def _dense_spec(spec: ElementSpec) -> ElementSpec:
    return ElementSpec(spec.name, "dense", spec.dtype, spec.shape)


# ---- The source


def _told() -> dict[str, Any] | None:
    """What fit() was told besides x; None where it is not fit() that asks. Keras asks a data adapter for its length and tells it nothing,
    so that arguments it cannot honour would be passed over in silence."""
    frame = sys._getframe(2)
    if frame.f_code.co_name != "__init__" or "steps_per_epoch" not in frame.f_locals:
        return None
    return {name: frame.f_locals.get(name) for name in ("y", "sample_weight", "class_weight", "steps_per_epoch")}


def _make_class(keras: Any) -> type:
    from keras.src.trainers.data_adapters.data_adapter import DataAdapter

    class KerasSource(keras.utils.PyDataset, DataAdapter):
        """x for fit, evaluate and predict. Iterating gives the batches as the backend gets them."""

        def __init__(self, prepared: _Prepared, backend: str):
            super().__init__()
            self._prepared, self._backend = prepared, backend
            self._taken: Iterator[Any] | None = None  # by __getitem__
            self._next = 0
            self._steps: int | None = None
            self._silenced: Any = None

        # ---- What Keras asks of an adapter

        @property
        def num_batches(self) -> int | None:
            told = _told()
            if told is not None:
                self._steps = told.pop("steps_per_epoch")
                for name, value in told.items():
                    if value is not None:
                        own = {"y": "label", "sample_weight": "weight"}.get(name, name)
                        raise ValueError(f"{name}= is not for a source that brings its own; say {own}= where it is made: ds.keras({own}=…)")
            return self._prepared.size

        def get_tf_dataset(self) -> Any:
            return to_dataset(_Watched(self._prepared, self._ended), self._prepared.roles, prefetch=2)

        def get_jax_iterator(self) -> Iterator[Any]:
            return self._batches(lambda tensor, _: to_bcoo(tensor) if isinstance(tensor, SparseTensor) else tensor.to_numpy())

        def get_numpy_iterator(self) -> Iterator[Any]:
            return self._batches(lambda tensor, _: tensor.to_numpy())

        def get_torch_dataloader(self) -> Any:
            from torch.utils.data import DataLoader, IterableDataset

            class Batches(IterableDataset):
                def __iter__(inside) -> Iterator[Any]:
                    return self._batches(_to_torch)

            return DataLoader(Batches(), batch_size=None)

        def _batches(self, convert: Any) -> Iterator[Any]:
            for batch in _Watched(self._prepared, self._ended):
                yield self._prepared.roles.arrange(lambda name: convert(batch[name], name in self._prepared.dense))

        # Keras takes the end of a stream of unknown length for an accident and warns of it in each epoch. It is one where a number
        # of steps was asked for.
        def _ended(self) -> None:
            if not self._steps and self._silenced is None and self._prepared.size is None:
                warnings.filterwarnings(*_RAN_OUT)
                self._silenced = warnings.filters[0]

        def on_epoch_end(self) -> None:
            if self._silenced in warnings.filters:
                warnings.filters.remove(self._silenced)
            self._silenced = None

        # ---- As a sequence, one batch after the other

        def __iter__(self) -> Iterator[Any]:
            if self._backend == "tensorflow":
                from ._tensorflow import to_tf

                return self._batches(lambda tensor, _: to_tf(tensor))
            if self._backend == "jax":
                return self.get_jax_iterator()
            return iter(self.get_torch_dataloader()) if self._backend == "torch" else self.get_numpy_iterator()

        def __getitem__(self, index: int) -> Any:
            if index == 0 or self._taken is None:
                self._taken, self._next = iter(self), 0
            if index != self._next:
                raise IndexError(f"batch {index} was asked for; a stream gives them in order, and {self._next} is next")
            self._next += 1
            try:
                return next(self._taken)
            except StopIteration:
                raise IndexError(f"there are {index} batches") from None

        def __len__(self) -> int:
            size = self._prepared.size
            if size is None:
                raise TypeError("nobody knows how many batches there are before they have been read")
            return size

        def __bool__(self) -> bool:
            return True

    return KerasSource


class _Watched:
    """Batches, and a word when there are no more. A pass of which Keras only looked at the first batch does not count as an epoch of
    the source."""

    def __init__(self, prepared: _Prepared, ended: Any):
        self.prepared, self.ended = prepared, ended

    def __iter__(self) -> Iterator[dict[str, Any]]:
        source = self.prepared.source
        epoch = getattr(source, "_epoch", None)
        taken = 0
        try:
            for batch in self.prepared:
                taken += 1
                yield batch
            taken = 2
            self.ended()
        finally:
            if taken < 2 and epoch is not None and source._epoch == epoch + 1:
                source.set_epoch(epoch)


def _to_torch(tensor: DenseTensor, fresh: bool) -> Any:
    """On Keras' device. What was just made dense is nobody else's and goes over as it is; other memory is copied."""
    import keras

    return keras.ops.convert_to_tensor(tensor.to_torch() if fresh else tensor.to_numpy())


_class: type | None = None


def to_source(source: Any, roles: Roles, densify: bool | None, class_weight: dict[int, float] | None) -> Any:
    global _class
    import keras

    version = getattr(keras, "__version__", "0")
    if int(version.split(".")[0]) < 3:
        raise ImportError(f"ds.keras() needs Keras 3, found {version}; Keras 2 takes ds.tf()")
    backend = keras.backend.backend()
    dense = set()
    for spec in roles.specs.values():
        if backend != "tensorflow" and spec.dtype == "string":
            raise Error(f"Keras has no strings on the {backend} backend: leave {spec.name!r} out by features=, or map it to ids", "unsupported")
        held = backend == "tensorflow" or backend == "jax" and spec.is_sparse
        if spec.kind == "dense" or held and not densify:
            continue
        dense.add(spec.name)
        if not held and densify is False:
            raise Error(f"Keras has no {_kind(spec)} tensors on the {backend} backend, and {spec.name!r} is not to become dense", "unsupported")
        if not held and densify is None and (key := f"{backend} {_kind(spec)}") not in _warned:
            _warned.add(key)
            warnings.warn(
                f"Keras has no {_kind(spec)} tensors on the {backend} backend: {spec.name!r} and its like become dense, one batch at a time; "
                "densify=True says that this is meant",
                stacklevel=3,
            )
    if _class is None:
        _class = _make_class(keras)
    return _class(_Prepared(source, roles, dense, bool(densify), class_weight), backend)


def _kind(spec: ElementSpec) -> str:
    return "sparse" if spec.is_sparse else spec.kind
