import gc
import weakref

import numpy as np
import pytest
from conftest import PLAIN, address, sample

import tensorferry as ferry
from tensorferry import DenseTensor


@pytest.mark.parametrize("dtype", PLAIN)
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 4), (2, 0, 5), (1, 2, 3, 2)])
def test_array_in_and_out_shares_memory(dtype, shape):
    array = sample(dtype, int(np.prod(shape))).reshape(shape)
    x = DenseTensor(array)
    assert (str(x.dtype), x.shape, x.size, x.nbytes) == (dtype, shape, array.size, array.nbytes)
    out = x.to_numpy()
    assert out.dtype == array.dtype and out.shape == shape
    np.testing.assert_array_equal(out, array)
    if array.size:
        assert address(out) == address(array)
    assert not out.flags.writeable


def test_owner_is_kept_and_let_go():
    class Array(np.ndarray):
        pass

    array = np.arange(1000.0).view(Array)
    gone = weakref.ref(array)
    view = DenseTensor(array).to_numpy()
    del array
    gc.collect()
    assert gone() is not None and view[999] == 999.0
    del view
    gc.collect()
    assert gone() is None


def test_copy_has_memory_of_its_own():
    array = np.arange(4.0)
    x = DenseTensor(array, copy=True)
    array[0] = 9
    assert x.tolist() == [0, 1, 2, 3]
    out = x.to_numpy(copy=True)
    out[0] = 7
    assert x[0] == 0 and out.flags.writeable


@pytest.mark.parametrize("make", [lambda a: a[::2], lambda a: a[::-1], lambda a: a.T, lambda a: np.asfortranarray(a), lambda a: a.astype(">f8")])
def test_other_orders_are_copied_to_c_order(make):
    array = make(np.arange(12.0).reshape(4, 3))
    x = DenseTensor(array)
    np.testing.assert_array_equal(x.to_numpy(), array)
    assert x.dtype == "float64" and x.to_numpy().flags.c_contiguous


def test_unaligned_is_copied():
    raw = np.zeros(17, np.uint8)
    array = raw[1:].view(np.float64)
    array[:] = [1.5, 2.5]
    assert DenseTensor(array).tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    "array",
    [
        np.array([b"a", b"bc", b""]),
        np.array(["a", "bc", ""]),
        np.array([b"a", "bc", b""], object),
        ["a", b"bc", ""],
    ],
)
def test_strings_of_every_kind_become_bytes(array):
    x = DenseTensor(array if isinstance(array, np.ndarray) else np.array(array, object))
    assert x.dtype == "string" and x.tolist() == [b"a", b"bc", b""]


def test_strings_keep_nuls_at_their_end():
    assert DenseTensor(b"a\x00").item() == b"a\x00" and DenseTensor([b"a\x00", "b"]).tolist() == [b"a\x00", b"b"]
    assert ferry.parse_tensor(ferry.serialize_tensor(b"a\x00")).item() == b"a\x00"


def test_string_dtype_of_numpy_2():
    assert DenseTensor(np.array(["a", "żółw"], np.dtypes.StringDType())).tolist() == [b"a", "żółw".encode()]


def test_object_arrays_of_anything_else_are_refused():
    with pytest.raises(ferry.Error, match="element 1 of an object array is a int") as caught:
        DenseTensor(np.array([b"a", 3], object))
    assert caught.value.code == "unsupported"
    with pytest.raises(ferry.Error, match="datetime64"):
        DenseTensor(np.array(["2020-01-01"], "datetime64[D]"))


def test_numpy_takes_it_for_an_array():
    x = DenseTensor([[1, 2], [3, 4]])
    assert np.asarray(x).sum() == 10
    assert np.array(x).flags.writeable
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    assert np.add(x, 1)[0, 0] == 2
    with pytest.raises(ValueError):
        np.array(x, dtype=np.float32, copy=False)
    with pytest.raises(ValueError):
        np.array(DenseTensor([b"a"]), copy=False)


@pytest.mark.parametrize("dtype", PLAIN)
def test_buffer_protocol(dtype):
    array = sample(dtype, 6).reshape(2, 3)
    x = DenseTensor(array)
    view = memoryview(x)
    assert view.readonly and view.shape == (2, 3) and view.nbytes == array.nbytes
    assert view.tobytes() == array.tobytes()
    assert np.frombuffer(x, array.dtype).base is not None
    back = np.asarray(view)
    assert back.dtype == array.dtype and address(back) == address(array)


def test_buffer_protocol_refuses_what_it_cannot_say():
    with pytest.raises(BufferError):
        memoryview(DenseTensor(np.array([b"a"], object)))
    with pytest.raises((BufferError, TypeError)):
        import io

        io.BytesIO(b"12345678").readinto(DenseTensor(np.zeros(1)))


@pytest.mark.parametrize("dtype", PLAIN)
def test_dlpack_to_numpy_and_back(dtype):
    array = sample(dtype, 6).reshape(2, 3)
    x = DenseTensor(array)
    out = np.from_dlpack(x)
    assert address(out) == address(array) and out.dtype == array.dtype and not out.flags.writeable
    again = ferry.from_dlpack(array)
    assert address(again.to_numpy()) == address(array)
    assert again == x
    assert x.__dlpack_device__() == (1, 0)


def test_dlpack_of_strides_is_gathered():
    array = np.arange(24).reshape(2, 3, 4)
    for view in (array.T, array[:, ::2], array[::-1, 1:, ::-1]):
        np.testing.assert_array_equal(ferry.from_dlpack(view), view)


def test_dlpack_capsule_is_used_once():
    capsule = DenseTensor([1.0]).__dlpack__()
    ferry.from_dlpack(capsule)
    with pytest.raises(TypeError):
        ferry.from_dlpack(capsule)
    DenseTensor([1.0]).__dlpack__(max_version=(1, 0))  # dropped unused: freed
    with pytest.raises(BufferError):
        DenseTensor([1.0]).__dlpack__(dl_device=(2, 0))
    with pytest.raises(BufferError, match="string"):
        DenseTensor(["a"]).__dlpack__()


def test_equality_is_of_the_whole():
    a = DenseTensor([1.0, float("nan"), 0.0])
    assert a == DenseTensor([1.0, float("nan"), -0.0])
    assert a != DenseTensor([1.0, float("nan"), 1.0])
    assert a != DenseTensor([1.0, float("nan"), 0.0], "float32")
    assert a != DenseTensor([[1.0, float("nan"), 0.0]])
    assert (a == np.array([1.0, np.nan, 0.0])) is True
    assert (np.array([1.0, np.nan, 0.0]) == a) is True
    assert a != "float64" and a != None  # noqa: E711
    with pytest.raises(TypeError):
        hash(a)


def test_reading_elements():
    x = DenseTensor([[1, 2, 3], [4, 5, 6]])
    assert len(x) == 2 and x[1, 2] == 6 and x[:, 0].tolist() == [1, 4] and [row.sum() for row in x] == [6, 15]
    assert DenseTensor(5).item() == 5 and DenseTensor(5).shape == ()
    with pytest.raises(TypeError):
        len(DenseTensor(5))
    assert x.reshape((3, 2)).shape == (3, 2)
    with pytest.raises(ferry.Error):
        x.reshape((4, 2))
    assert x.astype("float32").dtype == "float32"
    assert DenseTensor(np.array([1.0], np.float32)).view("uint32").item() == 0x3F800000


def test_quantized_dtypes_are_plain_integers_to_numpy():
    x = DenseTensor(np.array([1, -2], np.int8), "qint8")
    assert x.dtype == "qint8" and x.to_numpy().dtype == np.int8 and x.tolist() == [1, -2]


def test_bfloat16_without_ml_dtypes_says_what_to_do(monkeypatch):
    import sys

    x = DenseTensor(np.array([0x3F80, 0xC000], np.uint16)).view("bfloat16")
    if "ml_dtypes" not in sys.modules:
        try:
            import ml_dtypes  # noqa: F401
        except ImportError:
            with pytest.raises(ferry.Error, match="ml_dtypes"):
                x.to_numpy()
    assert x.view("uint16").tolist() == [0x3F80, 0xC000]
    assert "bfloat16" in repr(x)


def test_repr_names_kind_dtype_shape_and_values():
    assert repr(DenseTensor(np.array([[1.5, 2.0]], np.float32))) == "DenseTensor(float32, shape=(1, 2))\n[[1.5, 2. ]]"
    assert len(repr(DenseTensor(np.zeros((1000, 1000))))) < 1000


def test_composites_keep_quantized_values():
    x = DenseTensor(np.array([1, -2], np.int8), "qint8")
    assert ferry.RaggedTensor(x, [0, 2]).dtype == ferry.SparseTensor(np.array([[0], [1]]), x, (2,)).dtype == "qint8"
    assert ferry.RaggedTensor(x, [0, 2], dtype="int8").dtype == "int8"
