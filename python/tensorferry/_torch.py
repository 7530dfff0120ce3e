"""PyTorch in and out, over DLPack."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from . import _core
from ._core import DenseTensor, RaggedTensor, SparseTensor


def _plain(value: Any) -> Any:
    value = value.detach()
    if value.device.type != "cpu":
        raise TypeError(f"the tensor is on {value.device}; move it to the CPU first")
    if value.is_conj():
        value = value.resolve_conj()
    return value.resolve_neg() if value.is_neg() else value


def _dense(value: Any, copy: bool = False) -> DenseTensor:
    out = _core.from_dlpack(_plain(value).contiguous())
    return out.copy() if copy else out


def from_pytorch(value: Any, copy: bool = False) -> DenseTensor | SparseTensor | RaggedTensor:
    layout = str(value.layout)
    shape = tuple(value.shape) if layout != "torch.jagged" else ()
    if layout == "torch.strided" and not getattr(value, "is_nested", False):
        return _dense(value, copy)
    if layout == "torch.sparse_coo":
        value = value.detach()
        if value.dense_dim():
            raise TypeError(f"{value.dense_dim()} of the axes are dense; a SparseTensor's are all sparse")
        # Torch keeps [rank, nnz], we [nnz, rank]: the coordinates are copied, the values shared.
        indices = value._indices().t().contiguous()
        return SparseTensor(_dense(indices), _dense(value._values(), copy), shape)
    if layout in ("torch.sparse_csr", "torch.sparse_csc") and len(shape) == 2:
        value = value.detach()
        csr = layout.endswith("csr")
        pointers, minor = (value.crow_indices(), value.col_indices()) if csr else (value.ccol_indices(), value.row_indices())
        if value.values().dim() != 1:
            raise TypeError("the values are dense blocks; a SparseTensor's are single elements")
        make = SparseTensor.csr if csr else SparseTensor.csc
        return make(_dense(pointers, copy), _dense(minor, copy), _dense(value.values(), copy), shape)
    if layout == "torch.jagged":
        return RaggedTensor(_dense(value.values(), copy), _dense(value.offsets(), copy))
    raise TypeError(f"a tensor of layout {layout} and shape {shape} has no counterpart; convert it to COO, CSR or CSC first")


def _tensor(x: DenseTensor, copy: bool = False) -> Any:
    import torch

    if x.dtype.kind == "quantized":
        x = x.view({"qint8": "int8", "quint8": "uint8", "qint16": "int16", "quint16": "uint16", "qint32": "int32"}[str(x.dtype)])
    if x.dtype == "string":
        raise TypeError("PyTorch has no strings")
    # The plain capsule: the versioned one says read-only, which PyTorch has no word for.
    try:
        capsule = x.__dlpack__()
    except BufferError as error:
        raise TypeError(f"PyTorch cannot hold {x.dtype} elements") from error
    out = torch.utils.dlpack.from_dlpack(capsule)
    return out.clone() if copy else out


def to_torch(x: Any, copy: bool = False) -> Any:
    import torch

    if isinstance(x, DenseTensor):
        return _tensor(x, copy)
    if isinstance(x, RaggedTensor):
        if x.ragged_rank != 1:
            raise TypeError(f"PyTorch's jagged tensors have one ragged axis, this one has {x.ragged_rank}")
        *_, (splits, values) = x._parts()
        return torch.nested.nested_tensor_from_jagged(_tensor(values, copy), _tensor(splits, copy).to(torch.int64))
    *_, parts = x._parts()
    tensors = [_tensor(part, copy) for part in parts]
    if x.layout == "coo":
        out = torch.sparse_coo_tensor(tensors[0].t(), tensors[1], x.shape, check_invariants=False)
        return out._coalesced_(True) if x.sorted and x.unique else out
    make = torch.sparse_csr_tensor if x.layout == "csr" else torch.sparse_csc_tensor
    return make(tensors[2], tensors[0], tensors[1], x.shape, check_invariants=False)
