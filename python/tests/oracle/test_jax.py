import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import sparse

import tensorferry as ferry
from tensorferry import DenseTensor, SparseTensor


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int32", "float16", "bfloat16", "float32", "complex64"])
def test_dense(dtype):
    a = jnp.ones((2, 3), dtype)
    x = ferry.as_tensor(a)
    assert x.dtype == dtype and x.shape == (2, 3)
    b = x.to_jax()
    assert b.dtype == a.dtype and (b == a).all()
    assert x == DenseTensor(np.asarray(a))


@pytest.mark.parametrize("shape", [(6,), (3, 4), (2, 3, 4)])
def test_bcoo_there_and_back(shape):
    dense = (np.arange(int(np.prod(shape))) % 3).reshape(shape).astype(np.float32)
    a = sparse.BCOO.fromdense(dense)
    x = SparseTensor.from_jax(a)
    np.testing.assert_array_equal(x.to_numpy(), dense)
    b = x.to_jax()
    assert isinstance(b, sparse.BCOO) and b.indices_sorted and b.unique_indices
    np.testing.assert_array_equal(b.todense(), dense)


def test_padding_is_dropped():
    a = sparse.BCOO.fromdense(jnp.eye(3), nse=5)
    assert SparseTensor.from_jax(a).nnz == 3


def test_bcsr_and_what_has_no_counterpart():
    a = sparse.BCSR.fromdense(jnp.eye(3))
    assert SparseTensor.from_jax(a).layout == "csr" and SparseTensor.from_jax(a) == SparseTensor.from_dense(np.eye(3, dtype=np.float32))
    with pytest.raises(TypeError, match="batch"):
        SparseTensor.from_jax(sparse.BCOO.fromdense(jnp.ones((2, 2)), n_batch=1))
    with pytest.raises(TypeError, match="from_dense"):
        SparseTensor.from_jax(jnp.ones(3))


def test_shares_by_dlpack():
    a = jax.device_put(jnp.arange(1000.0))
    assert ferry.as_tensor(a).to_numpy().__array_interface__["data"][0] == a.unsafe_buffer_pointer()


def test_axes_that_jax_cannot_index_are_refused_rather_than_cut_off():
    x = ferry.SparseTensor.from_pairs({(0, 1 << 40): 2.0}, shape=(2, 1 << 41))
    with pytest.raises(ferry.Error, match="jax_enable_x64"):
        x.to_jax()
