import numpy as np
import pytest

import tensorferry as ferry

# Every dtype that NumPy has on its own.
PLAIN = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "complex64", "complex128"]


def sample(dtype, count, seed=1):
    """`count` values of a dtype, none of them zero."""
    rng = np.random.default_rng(seed)
    if dtype == "string":
        out = np.empty(count, object)
        out[:] = [b"s%d\x00" % i if i % 3 else b"word" * i + b"!" for i in range(count)]
        return out
    if dtype == "bool":
        return np.ones(count, bool)
    if dtype.startswith("complex"):
        return (rng.integers(1, 100, count) - 1j * rng.integers(0, 9, count)).astype(dtype)
    return rng.integers(1, 100, count).astype(dtype)


@pytest.fixture
def pairs():
    return ferry.SparseTensor.from_pairs({(0, 1): 2.0, (2, 0): 5.0}, shape=(3, 4))


def address(array):
    return array.__array_interface__["data"][0]
