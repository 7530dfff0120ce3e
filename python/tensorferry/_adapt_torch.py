"""Batches for PyTorch: an IterableDataset of whole batches, and a collate function that joins sparse samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from . import _core
from ._convert import as_tensor
from ._core import DenseTensor, RaggedTensor, SparseTensor
from ._errors import Error
from ._roles import Roles

LAYOUTS = ("coo", "csr", "block_diag")


def check_layout(layout: str) -> None:
    if layout not in LAYOUTS:
        raise ValueError(f"layout is {layout!r}, expected one of {', '.join(map(repr, LAYOUTS))}")


# ---- Tensors


def _owned(tensor: Any) -> Any:
    """A torch.Tensor of its own memory: PyTorch has no word for read-only, and training loops write in place."""
    from ._torch import to_torch

    if isinstance(tensor, DenseTensor) and tensor.dtype == "string":
        return tensor.tolist()  # as default_collate leaves strings: a list
    return to_torch(tensor, copy=True)


def _sparse(tensor: SparseTensor, layout: str) -> Any:
    from ._torch import to_torch

    if layout == "csr" and tensor.ndim == 2:
        tensor = tensor.tocsr()
        if tensor.indices.dtype.itemsize != tensor.indptr.dtype.itemsize:  # PyTorch wants one type for both
            tensor = SparseTensor.csr(tensor.indptr.astype("int64"), tensor.indices.astype("int64"), tensor._values, tensor.shape)
        if not tensor.sorted:
            tensor = tensor.sort()
        return to_torch(tensor, copy=True)
    tensor = tensor.tocoo()
    return to_torch(tensor.coalesce() if not (tensor.sorted and tensor.unique) else tensor, copy=True)


def _diagonal(matrices: Sequence[SparseTensor]) -> SparseTensor:
    """One matrix with these along its diagonal."""
    import numpy as np

    indices, values, row, column = [], [], 0, 0
    for matrix in matrices:
        matrix = matrix.tocoo()
        if matrix.ndim != 2:
            raise Error(f"a sample of shape {list(matrix.shape)} has no place on a diagonal; block_diag takes matrices")
        indices.append(matrix.indices + np.array([row, column]))
        values.append(matrix._values)
        row, column = row + matrix.shape[0], column + matrix.shape[1]
    joined = _joined_values(values)
    return SparseTensor(np.concatenate(indices) if indices else np.zeros((0, 2), np.int64), joined, (row, column))


def _joined_values(values: Sequence[DenseTensor]) -> Any:
    import numpy as np

    if len({str(v.dtype) for v in values}) > 1:
        raise Error(f"the samples have values of {', '.join(sorted({str(v.dtype) for v in values}))}; make them one dtype")
    return np.concatenate([v.to_numpy() for v in values]) if values else np.zeros(0, np.float32)


def _unstacked(tensor: SparseTensor) -> SparseTensor:
    """A batch of matrices along the diagonal of one."""
    import numpy as np

    if tensor.ndim != 3:
        raise Error(f"block_diag takes batches of matrices, of shape [batch, rows, columns]; found {list(tensor.shape)}")
    tensor = tensor.tocoo()
    count, rows, columns = tensor.shape
    at = tensor.indices
    return SparseTensor(at[:, 1:] + at[:, :1] * np.array([rows, columns]), tensor._values, (count * rows, count * columns))


def convert(tensor: Any, layout: str) -> Any:
    if not isinstance(tensor, SparseTensor):
        return _owned(tensor)
    return _sparse(_unstacked(tensor), "coo") if layout == "block_diag" else _sparse(tensor, layout)


# ---- The dataset


def shard_of(source: Any, index: int, count: int) -> Any:
    """Every count-th batch, beginning with index. A dataset of ours skips the others without making them."""
    if hasattr(source, "shard"):
        return source.shard(index, count)
    from itertools import islice

    return islice(iter(source), index, None, count)


def at_epoch(source: Any, epoch: int) -> Any:
    """The source, about to begin that pass, where its passes differ."""
    if hasattr(source, "set_epoch"):
        source.set_epoch(epoch)
    return source


_class: type | None = None


def _make_class() -> type:
    import torch

    class TorchBatches(torch.utils.data.IterableDataset):
        """Batches as torch tensors. A DataLoader's worker w of n gives every n-th one beginning with w: each batch comes once,
        whatever the number of workers, and in the same order as without any.

        set_epoch: which pass the next one is, for sources that shuffle. Each iteration counts on, but workers that are started anew
        for each epoch know nothing of the one before: say it there, as for a DistributedSampler.
        """

        def __init__(self, source: Any, roles: Roles, layout: str, epoch: int = 0):
            super().__init__()
            self.source, self.roles, self.layout, self.epoch = source, roles, layout, epoch

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

        def __iter__(self) -> Iterator[Any]:
            worker = torch.utils.data.get_worker_info()
            source = self.source if worker is None else shard_of(self.source, worker.id, worker.num_workers)
            at_epoch(source, self.epoch)
            self.epoch += 1
            return self._batches(source)

        def _batches(self, source: Any) -> Iterator[Any]:
            for batch in source:
                yield self.roles.arrange(lambda name: convert(batch[name], self.layout))

        def __reduce__(self) -> Any:
            return restore, (self.source, self.roles, self.layout, self.epoch)

    return TorchBatches


def restore(source: Any, roles: Roles, layout: str, epoch: int = 0) -> Any:
    global _class
    if _class is None:
        _class = _make_class()
    return _class(source, roles, layout, epoch)


def to_iterable(source: Any, roles: Roles, layout: str) -> Any:
    check_layout(layout)
    return restore(source, roles, layout, getattr(source, "epoch", 0))


# ---- Samples


class Collate:
    """What collate_sparse() gives. Picklable, so that workers can be started in any way."""

    __slots__ = ("layout",)

    def __init__(self, layout: str = "coo"):
        check_layout(layout)
        self.layout = layout

    def __call__(self, samples: Sequence[Any]) -> Any:
        first = samples[0]
        if isinstance(first, Mapping):
            return {key: self([sample[key] for sample in samples]) for key in first}
        if isinstance(first, tuple) and hasattr(first, "_fields"):
            return type(first)(*(self(column) for column in zip(*samples, strict=True)))
        if isinstance(first, (tuple, list)):
            return tuple(self(column) for column in zip(*samples, strict=True))
        from ._convert import is_sparse

        if isinstance(first, (SparseTensor, RaggedTensor)) or is_sparse(first):
            return self._join([as_tensor(sample) for sample in samples])
        if isinstance(first, DenseTensor):
            samples = [_owned(sample) for sample in samples]
        from torch.utils.data import default_collate

        return default_collate(list(samples))

    def _join(self, samples: list[Any]) -> Any:
        if isinstance(samples[0], RaggedTensor):
            raise Error("ragged samples are not joined; make the batch before the DataLoader, with ds.batch()")
        if self.layout == "block_diag":
            return _sparse(_diagonal(samples), "coo")
        return _sparse(stack(samples), self.layout)

    def __reduce__(self) -> Any:
        return Collate, (self.layout,)


def stack(samples: list[SparseTensor]) -> SparseTensor:
    """Samples of one shape along a new first axis. A row of shape [1, n], which is how SciPy has them, counts as [n]."""
    shapes = {sample.shape for sample in samples}
    if len(shapes) > 1:
        raise Error(f"samples of shapes {' and '.join(str(list(shape)) for shape in sorted(shapes)[:2])} make no batch; only block_diag joins them")
    (shape,) = shapes
    if len(shape) == 2 and shape[0] == 1:
        return _core.concat([sample.tocsr() for sample in samples], 0)
    return _core.concat([sample.tocoo().reshape((1, *shape)) for sample in samples], 0)


def collate_sparse(samples: Sequence[Any] | None = None, *, layout: str = "coo") -> Any:
    """A collate_fn for DataLoaders over single samples: DataLoader(rows, batch_size=64, collate_fn=collate_sparse(layout="csr")).

    Sparse samples of one shape are stacked to a sparse tensor in layout "coo" (coalesced) or "csr"; matrices of any shape stand along the
    diagonal of one with "block_diag". They may be ours, SciPy's or any library's; dicts and tuples of them are joined place by
    place, and all else as PyTorch's default_collate does it. Called with samples, it joins these.
    """
    collate = Collate(layout)
    return collate if samples is None else collate(samples)
