import numpy as np
import pytest
import sparse

import tensorferry as ferry
from tensorferry import SparseTensor


@pytest.mark.parametrize("shape", [(6,), (3, 4), (2, 3, 4)])
def test_coo_there_and_back(shape):
    dense = np.arange(int(np.prod(shape))).reshape(shape) % 3
    a = sparse.COO.from_numpy(dense)
    x = SparseTensor.from_sparse(a)
    np.testing.assert_array_equal(x.to_numpy(), dense)
    assert ferry.as_tensor(a) == x
    np.testing.assert_array_equal(x.to_sparse().todense(), dense)
    assert x.values.__array_interface__["data"] == (a.data.__array_interface__["data"][0], True)


@pytest.mark.parametrize("axes", [(0,), (1,)])
def test_gcxs(axes):
    dense = np.arange(12.0).reshape(3, 4) % 3
    x = SparseTensor.from_sparse(sparse.GCXS.from_numpy(dense, compressed_axes=axes))
    assert x.layout == ("csr" if axes == (0,) else "csc")
    np.testing.assert_array_equal(x.to_numpy(), dense)
    cube = np.arange(24.0).reshape(2, 3, 4) % 3
    np.testing.assert_array_equal(SparseTensor.from_sparse(sparse.GCXS.from_numpy(cube)).to_numpy(), cube)


def test_dok_and_other_fill_values():
    d = sparse.DOK((3, 4))
    d[1, 2] = 5.0
    assert dict(SparseTensor.from_sparse(d)) == {(1, 2): 5.0}
    with pytest.raises(TypeError, match="filled with"):
        SparseTensor.from_sparse(sparse.COO.from_numpy(np.eye(3), fill_value=1.0))
