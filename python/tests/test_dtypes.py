import pickle

import numpy as np
import pytest

import tensorferry as ferry


def test_equal_to_names_numpy_dtypes_and_types():
    x = ferry.float32
    assert x == "float32" and x == np.float32 and x == np.dtype("f4") and np.dtype("f4") == x and x == ferry.as_dtype("f4")
    assert x != "float64" and x != np.int8 and x != "no such" and x != None and x != 3  # noqa: E711
    assert ferry.float64 == float and ferry.bool_ == bool and ferry.bool_ == "bool" and ferry.string == bytes
    assert {ferry.int8: 1}[ferry.as_dtype("int8")] == 1
    assert str(ferry.bool_) == "bool" and repr(ferry.bool_) == "tensorferry.bool_"


def test_every_tensorflow_dtype_is_there():
    names = {str(d) for d in ferry._core._dtypes}
    assert len(names) == 33 and {"bfloat16", "float8_e5m2", "int4", "qint8", "complex128", "string", "resource"} <= names
    assert ferry.bfloat16.number == 14 and ferry.bfloat16.itemsize == 2 and ferry.bfloat16.kind == "float"


def test_numpy_makes_arrays_of_it():
    assert np.zeros(3, ferry.int16).dtype == np.int16
    assert np.dtype(ferry.complex64) == np.complex64
    assert ferry.string.numpy == object


def test_nonsense_is_named():
    with pytest.raises(ferry.Error, match="'flaot32' is no dtype"):
        ferry.as_dtype("flaot32")


def test_pickles_to_itself():
    assert pickle.loads(pickle.dumps(ferry.bfloat16)) == ferry.bfloat16
