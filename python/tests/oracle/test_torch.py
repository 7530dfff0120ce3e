import numpy as np
import pytest
import torch

import tensorferry as ferry
from tensorferry import DenseTensor, RaggedTensor, SparseTensor

DTYPES = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64,
          torch.complex64, torch.complex128]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3)])
def test_dense_shares_memory_both_ways(dtype, shape):
    a = torch.ones(shape, dtype=dtype)
    x = ferry.as_tensor(a)
    assert isinstance(x, DenseTensor) and x.dtype == dtype and x.shape == shape
    b = x.to_torch()
    assert b.dtype == dtype and torch.equal(a, b)
    if a.numel():
        assert b.data_ptr() == a.data_ptr()
        assert x.to_torch(copy=True).data_ptr() != a.data_ptr()
        assert ferry.as_tensor(a, copy=True).to_torch().data_ptr() != a.data_ptr()


def test_strides_gradients_and_lazy_conjugates():
    a = torch.arange(6.0, requires_grad=True).reshape(2, 3).t()
    np.testing.assert_array_equal(ferry.as_tensor(a).to_numpy(), a.detach().numpy())
    c = torch.tensor([1 + 2j]).conj()
    assert ferry.as_tensor(c).item() == 1 - 2j


@pytest.mark.parametrize("layout", ["coo", "csr", "csc"])
def test_sparse_there_and_back(layout):
    dense = (torch.arange(12) % 5 * (torch.arange(12) % 2)).reshape(3, 4).to(torch.float32)
    a = {"coo": dense.to_sparse, "csr": dense.to_sparse_csr, "csc": dense.to_sparse_csc}[layout]()
    x = SparseTensor.from_torch(a)
    assert x.layout == layout and x == SparseTensor.from_dense(dense.numpy())
    b = x.to_torch()
    assert b.layout == a.layout and torch.equal(b.to_dense(), dense)
    values = a._values() if layout == "coo" else a.values()
    assert x.values.__array_interface__["data"][0] == values.data_ptr()
    assert (b._values() if layout == "coo" else b.values()).data_ptr() == values.data_ptr()
    if layout == "coo":
        assert b.is_coalesced() and torch.equal(b.indices(), a.indices())
    else:
        pointers = a.crow_indices() if layout == "csr" else a.ccol_indices()
        assert x.indptr.__array_interface__["data"][0] == pointers.data_ptr()


def test_uncoalesced_and_ranks():
    a = torch.sparse_coo_tensor([[1, 0, 1], [2, 0, 2]], [1.0, 2.0, 3.0], (2, 3))
    x = SparseTensor.from_torch(a)
    assert x.nnz == 3 and not x.sorted and not x.to_torch().is_coalesced()
    assert torch.equal(x.coalesce().to_torch().to_dense(), a.to_dense())
    cube = torch.eye(3).repeat(2, 1, 1)
    assert torch.equal(SparseTensor.from_torch(cube.to_sparse()).to_torch().to_dense(), cube)
    with pytest.raises(TypeError, match="dense"):
        SparseTensor.from_torch(cube.to_sparse(1))
    with pytest.raises(TypeError, match="from_dense"):
        SparseTensor.from_torch(cube)


def test_jagged():
    a = torch.nested.nested_tensor([torch.tensor([1, 2]), torch.tensor([3])], layout=torch.jagged)
    x = ferry.as_tensor(a)
    assert isinstance(x, RaggedTensor) and x.tolist() == [[1, 2], [3]]
    assert [row.tolist() for row in RaggedTensor.from_lists([[1, 2], [], [3]]).to_torch().unbind()] == [[1, 2], [], [3]]


def test_torch_takes_it_by_dlpack_and_arrays():
    x = DenseTensor(np.arange(3.0))
    assert torch.asarray(x.to_numpy(copy=True)).sum() == 3
    assert torch.equal(x.to_torch(), torch.arange(3.0, dtype=torch.float64))
    with pytest.raises(TypeError, match="strings"):
        DenseTensor(["a"]).to_torch()


def test_quantized_goes_as_plain_integers():
    assert DenseTensor(np.array([1], np.int8), "qint8").to_torch().dtype == torch.int8
