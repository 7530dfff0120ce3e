"""dumps and loads of other libraries' objects: values, shape, dtype, name and device are kept, in every format that holds them."""

from collections import namedtuple

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import scipy.sparse
import sparse
import tensorflow as tf
import torch

import tensorferry as ferry
from tensorferry import RaggedTensor, SparseTensor, TensorMap

FORMATS = [f for f in ferry.formats() if f.read and f.write and not f.several_files and f.id != "keras"]  # a .keras file is a whole model
CONTAINERS = [f.id for f in FORMATS if f.many and f.names and f.metadata and {"coo", "csr", "ragged", "dense"} <= set(f.kinds)]
BY_VALUE = ("json", "csv", "tsv", "mtx", "libsvm", "example", "tfrecord")  # elements are numbers there, not bits: a NaN is any NaN
DENSE = np.arange(12, dtype=np.float32).reshape(3, 4) % 3


def there_and_back(value, format="npz", **keywords):
    return ferry.loads(ferry.dumps(value, format, **keywords), format)


@pytest.mark.parametrize("format", [f.id for f in FORMATS if "dense" in f.kinds and "float32" in f.dtypes and "string" in f.dtypes])
def test_eager_tensors_of_tensorflow(format):
    got = there_and_back(tf.constant(DENSE), format)
    got = got if not isinstance(got, TensorMap) else next(iter(got.values()))
    assert got.dtype == "float32" and np.array_equal(got.to_numpy(), DENSE)


def test_variables_keep_their_names():
    m = there_and_back(tf.Variable(DENSE, name="kernel"))
    assert list(m) == ["kernel"] and np.array_equal(m["kernel"].to_numpy(), DENSE)
    import keras

    dense = keras.layers.Dense(2, name="head")
    dense.build((None, 3))
    m = there_and_back(dense.weights)
    assert [m.tensor_metadata[name]["name"] for name in m] == ["head/kernel", "head/bias"] and m["0"].shape == (3, 2)
    assert isinstance(m.nested(), list)


def test_composites_of_tensorflow():
    coo = tf.sparse.from_dense(DENSE)
    ragged = tf.ragged.constant([[[1, 2], []], [], [[3]]], dtype=tf.int64)
    value = tf.compat.v1.SparseTensorValue(np.array([[0, 1]]), np.array([2.0], "f"), np.array([3, 4]))
    for format in CONTAINERS:
        m = there_and_back({"coo": coo, "ragged": ragged, "words": tf.ragged.constant([["a"], []]), "value": value}, format)
        assert m["coo"] == ferry.as_tensor(coo) and m["ragged"].tolist() == ragged.to_list() and m["words"].tolist() == [[b"a"], []]
        assert dict(m["value"]) == {(0, 1): 2.0} and m["value"].shape == (3, 4)
    assert there_and_back(coo, "tf_sparse") == ferry.as_tensor(coo)


def test_devices_and_frameworks_where_asked():
    with tf.device("CPU:0"):
        eager = tf.constant([1.0])
    tensors = {"tf": eager, "torch": torch.ones(2), "jax": jnp.ones(2), "np": np.ones(2), "coo": tf.sparse.from_dense(DENSE)}
    m = there_and_back(tensors, metadata={"device", "framework", "shape", "dtype"})
    facts = m.tensor_metadata
    assert facts["tf"]["device"].endswith("CPU:0") and facts["torch"]["device"] == "cpu" and "cpu" in facts["jax"]["device"].lower()
    assert facts["coo"]["device"].endswith("CPU:0") and facts["torch"]["dtype"] == "torch.float32" and facts["jax"]["shape"] == "(2,)"
    assert [facts[name]["framework"] for name in tensors] == ["tensorflow", "torch", "jax", "numpy", "tensorflow"]
    assert not there_and_back(tensors).tensor_metadata


@pytest.mark.parametrize("format", CONTAINERS)
def test_torch(format):
    dense = torch.tensor(DENSE)
    nested = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged)
    parameter = torch.nn.Parameter(torch.ones(2, 2))
    m = there_and_back({"d": dense, "t": dense.t(), "coo": dense.to_sparse(), "csr": dense.to_sparse_csr(), "csc": dense.to_sparse_csc(),
                        "n": nested, "p": parameter, "conj": torch.tensor([1 + 2j]).conj()} if "complex64" in dtypes(format)
                       else {"d": dense, "t": dense.t(), "coo": dense.to_sparse(), "csr": dense.to_sparse_csr(), "n": nested, "p": parameter}, format)  # fmt: skip
    for name in set(m) & {"d", "coo", "csr", "csc"}:
        assert np.array_equal(m[name].to_numpy(), DENSE), name
    assert np.array_equal(m["t"].to_numpy(), DENSE.T) and m["n"].tolist() == [[1, 1], [1, 1, 1]] and m["p"].shape == (2, 2)
    if "conj" in m:
        assert m["conj"].tolist() == [1 - 2j]


def dtypes(format):
    return next(f.dtypes for f in FORMATS if f.id == format)


def test_a_state_dict_of_torch():
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    got = there_and_back(state).nested()
    assert list(got["model"]) == list(state["model"]) and got["optimizer"]["param_groups"][0]["betas"] == (0.9, 0.999)
    assert got["optimizer"]["param_groups"][0]["params"] == [0, 1, 2, 3] and got["optimizer"]["param_groups"][0]["foreach"] is None
    model.load_state_dict({name: tensor.to_torch(copy=True) for name, tensor in got["model"].items()})


@pytest.mark.parametrize("format", CONTAINERS)
def test_jax(format):
    from jax.experimental import sparse as jsparse

    m = there_and_back({"d": jnp.asarray(DENSE), "s": jsparse.BCOO.fromdense(jnp.asarray(DENSE)), "r": jsparse.BCSR.fromdense(jnp.asarray(DENSE))}, format)
    for name in m:
        assert np.array_equal(m[name].to_numpy(), DENSE) and m[name].dtype == "float32", name
    State = namedtuple("State", "step params")
    tree = State(jnp.int32(3), {"w": [jnp.ones(2), jnp.zeros((0, 2))]})
    got = there_and_back(tree, format).nested(types=[State])
    assert type(got) is State and jax.tree.all(jax.tree.map(lambda a, b: np.array_equal(a, b.to_numpy()), tree, got))


@pytest.mark.parametrize("kind", ["matrix", "array"])
@pytest.mark.parametrize("layout", ["coo", "csr", "csc", "bsr", "dia", "dok", "lil"])
@pytest.mark.parametrize("format", CONTAINERS)
def test_scipy(format, layout, kind):
    a = getattr(scipy.sparse, f"{layout}_{kind}")(DENSE)
    m = there_and_back({"x": a}, format)
    assert m["x"].dtype == "float32" and m["x"].shape == (3, 4) and np.array_equal(m["x"].to_numpy(), DENSE)
    if layout in ("csr", "csc", "coo"):
        assert m["x"].layout == layout
    if kind == "array" and layout in ("coo", "csr", "dok"):
        line = getattr(scipy.sparse, f"{layout}_array")(DENSE[0])
        assert np.array_equal(there_and_back({"x": line}, format)["x"].to_numpy(), DENSE[0])


@pytest.mark.parametrize("format", CONTAINERS)
def test_pydata_sparse(format):
    cube = np.arange(24.0).reshape(2, 3, 4) % 5
    tensors = {"coo": sparse.COO.from_numpy(cube), "gcxs": sparse.GCXS.from_numpy(cube), "dok": sparse.DOK.from_numpy(cube),
               "row": sparse.GCXS.from_numpy(cube[0], compressed_axes=(0,)), "line": sparse.GCXS.from_numpy(cube[0, 0])}  # fmt: skip
    m = there_and_back(tensors, format)
    for name, a in tensors.items():
        assert np.array_equal(m[name].to_numpy(), a.todense()), name
    for fill in (1.0, np.nan, np.inf):
        with pytest.raises(TypeError, match="x: the array is filled with"):
            ferry.dumps({"x": sparse.COO.from_numpy(np.eye(3), fill_value=fill)}, format)


SMALL = ["bfloat16", "float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz", "float8_e5m2fnuz", "int4", "uint4", "int2", "uint2",
         "float4_e2m1fn"]  # fmt: skip


@pytest.mark.parametrize("format", [f.id for f in FORMATS])
@pytest.mark.parametrize("dtype", SMALL)
def test_every_value_of_a_small_dtype_survives_wherever_a_format_holds_it(dtype, format):
    info = next(f for f in FORMATS if f.id == format)
    if dtype not in info.dtypes:
        return
    kind = getattr(ml_dtypes, dtype)
    bits = 4 if "4" in dtype and "float8" not in dtype else 2 if dtype in ("int2", "uint2") else 8 if "8" in dtype else 16
    if dtype in ("int4", "uint4", "int2", "uint2"):
        low = -(1 << (bits - 1)) if dtype.startswith("i") else 0
        a = np.arange(low, low + (1 << bits)).astype(kind)
    else:
        a = np.arange(1 << bits, dtype=np.uint16 if bits == 16 else np.uint8).view(kind)
    tensor = a.reshape(2, -1)
    wanted = ferry.as_tensor(tensor)
    if "dense" in info.kinds and format != "libsvm":  # whose dense tensors are labels
        got = there_and_back(tensor, format)
        got = got if not isinstance(got, TensorMap) else next(iter(got.values()))
        if dtype in ("int4", "uint4", "int2", "uint2"):  # one element a byte in memory, whose upper bits mean nothing
            assert got.astype(dtype) == wanted and (got.dtype == dtype or format in BY_VALUE)
        elif format in BY_VALUE:
            assert got.dtype in (dtype, "float32", "float64", "int64") and got.astype(dtype) == wanted
        else:
            assert got.dtype == dtype and got.view("uint16" if bits == 16 else "uint8") == wanted.view("uint16" if bits == 16 else "uint8")
    if "coo" in info.kinds and format not in BY_VALUE:
        coo = SparseTensor.from_dense(tensor)
        got = there_and_back(coo, format)
        got = got if not isinstance(got, TensorMap) else next(iter(got.values()))
        assert got.dtype == dtype and got == coo


def test_small_dtypes_of_the_frameworks():
    torch_types = {torch.bfloat16: "bfloat16", torch.float8_e5m2: "float8_e5m2", torch.float8_e4m3fn: "float8_e4m3fn"}
    tensors = {name: torch.arange(4).to(torch.float32).to(kind) for kind, name in torch_types.items()}
    tensors |= {"jax_" + name: jnp.arange(4).astype(name) for name in ("bfloat16", "float8_e4m3fn", "int4")}
    tensors |= {"tf_" + name: tf.cast(tf.range(4), getattr(tf, name)) for name in ("bfloat16", "half")}
    m = there_and_back(tensors)
    for name, tensor in m.items():
        wanted = name.split("_", 1)[1] if name.startswith(("jax_", "tf_")) else name
        assert tensor.dtype == {"half": "float16"}.get(wanted, wanted) and tensor.to_numpy().astype(np.float32).tolist() == [0, 1, 2, 3], name


def test_memory_is_shared_into_the_writer_and_out_of_the_bytes():
    address = lambda a: a.__array_interface__["data"][0]
    eager, host = tf.constant(DENSE), torch.tensor(DENSE)
    m = ferry.flatten({"a": [eager, host, DENSE]})
    assert address(m["a/1"].to_numpy()) == host.data_ptr() and address(m["a/2"].to_numpy()) == address(DENSE)
    assert address(m["a/0"].to_numpy()) == address(np.from_dlpack(eager))
    blob = ferry.dumps({"x": np.arange(1000.0)}, "npz")
    start = address(np.frombuffer(blob, np.uint8))
    x = ferry.loads(blob)["x"]
    if (address(x.to_numpy()) - start) < len(blob):  # a bytes object begins where malloc put it
        assert x.to_torch().data_ptr() == address(x.to_numpy()) > start


def test_a_batch_of_translations():
    outputs = {"tokens": tf.ragged.constant([[5, 7, 2], [9, 2]], dtype=tf.int64), "lengths": tf.constant([3, 2]),
               "log_probs": tf.constant([-0.5, -1.25]), "alignment": [tf.ones((3, 4)), tf.zeros((2, 6))],
               "text": tf.constant(["ein Satz", "zwei Sätze"]), "meta": {"model": "nmt", "beam": 4, "temperature": None}}  # fmt: skip
    for format in CONTAINERS:
        m = there_and_back(outputs, format)
        got = m.nested()
        assert got["tokens"].dtype == "int64" and got["tokens"].tolist() == [[5, 7, 2], [9, 2]] and got["lengths"].dtype == "int32"
        assert [a.shape for a in got["alignment"]] == [(3, 4), (2, 6)] and got["text"].tolist()[1].decode() == "zwei Sätze"
        assert got["meta"] == {"model": "nmt", "beam": 4, "temperature": None}
        assert isinstance(m["tokens"].to_tf(), tf.RaggedTensor) and isinstance(m["tokens"], RaggedTensor)
