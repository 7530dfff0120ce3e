import ml_dtypes
import numpy as np
import pytest

import tensorferry as ferry
from tensorferry import DenseTensor, SparseTensor

NAMES = ["bfloat16", "float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz", "float8_e5m2fnuz", "int4", "uint4", "int2", "uint2",
         "float4_e2m1fn"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_shares_memory_and_keeps_the_dtype(name):
    a = np.array([0, 1, 0, 1], np.float32).astype(getattr(ml_dtypes, name))
    x = DenseTensor(a)
    assert x.dtype == name == str(x.dtype) and x.dtype == a.dtype and x.dtype == getattr(ml_dtypes, name)
    b = x.to_numpy()
    assert b.dtype == a.dtype and b.__array_interface__["data"][0] == a.__array_interface__["data"][0]
    s = SparseTensor.from_dense(a)
    assert s.nnz == 2 and s.dtype == name and (s.to_numpy() == a).all()
    assert DenseTensor([0.0, 1.0]).astype(name) == DenseTensor(a[:2])
    assert name in repr(x) and repr(s)


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn"])
def test_operators(name):
    dtype = getattr(ml_dtypes, name)
    x = SparseTensor.from_dense(np.eye(3, dtype=np.float32).astype(dtype))
    assert (x * 2).to_numpy().astype(np.float32).trace() == 6
    assert ferry.allclose(x, x)
    assert float((x @ np.ones(3, dtype)).astype(np.float32).sum()) == 3
