"""h5 and keras: h5py, AnnData and Keras read what we write, we read what they write."""
import os

import numpy as np
import pytest
import scipy.sparse as ss

import tensorferry as ferry

h5py = pytest.importorskip("h5py")

DTYPES = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool", "complex64", "complex128"]
SHAPES = [(), (0,), (3,), (2, 3), (0, 3), (2, 1, 3, 2)]


def sample(dtype, shape, seed=0):
    rng = np.random.default_rng(seed)
    return np.asarray((rng.normal(size=shape) * 50)).astype(dtype)


def test_h5py_datasets_both_ways(tmp_path):
    arrays = {f"{d}/{i}": sample(d, s) for d in DTYPES for i, s in enumerate(SHAPES)}
    with h5py.File(tmp_path / "theirs.h5", "w", track_order=True) as f:
        for name, x in arrays.items():
            f[name] = x
    ours = ferry.load(tmp_path / "theirs.h5")
    assert set(ours) == set(arrays)
    ferry.save(tmp_path / "ours.h5", ours)
    with h5py.File(tmp_path / "ours.h5") as f:
        for name, x in arrays.items():
            np.testing.assert_array_equal(np.asarray(ours[name]), x)
            np.testing.assert_array_equal(f[name][()], x)
            assert f[name].dtype == x.dtype


@pytest.mark.parametrize("options", [{"compression": "gzip", "shuffle": True}, {"compression": "lzf"}, {"fletcher32": True}, {"scaleoffset": 0}])
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_h5py_chunks(tmp_path, options, libver):
    x = np.arange(60 * 70, dtype=np.int32).reshape(60, 70)
    with h5py.File(tmp_path / "x.h5", "w", libver=libver) as f:
        f.create_dataset("x", data=x, chunks=(16, 9), **options)
        f.create_dataset("wide", data=x.astype(">f8"), chunks=(60, 1), maxshape=(None, None), **({} if "scaleoffset" in options else options))
    ours = ferry.load(tmp_path / "x.h5")
    np.testing.assert_array_equal(np.asarray(ours["x"]), x)
    np.testing.assert_array_equal(np.asarray(ours["wide"]), x)


def test_strings_both_ways(tmp_path):
    words = ["héllo", "", "x" * 5000]
    with h5py.File(tmp_path / "theirs.h5", "w") as f:
        f["words"] = words
        f["fixed"] = np.array([b"ab ", b"c"])
    ours = ferry.load(tmp_path / "theirs.h5")
    assert [bytes(w) if isinstance(w, bytes) else w.encode() for w in np.asarray(ours["words"]).tolist()] == [w.encode() for w in words]
    ferry.save(tmp_path / "ours.h5", ours)
    with h5py.File(tmp_path / "ours.h5") as f:
        assert f["words"].asstr()[()].tolist() == words
        assert f["fixed"][()].tolist() == [b"ab ", b"c"]


@pytest.mark.parametrize("layout", ["csr", "csc"])
def test_anndata_elements_both_ways(tmp_path, layout):
    anndata = pytest.importorskip("anndata")
    x = ss.random_array((12, 9), density=0.2, rng=np.random.default_rng(1), format=layout)
    with h5py.File(tmp_path / "theirs.h5", "w") as f:
        anndata.io.write_elem(f, "x", x)
    ours = ferry.load(tmp_path / "theirs.h5")
    assert ours["x"].layout == layout
    np.testing.assert_array_equal(ours["x"].to_scipy().toarray(), x.toarray())
    ferry.save(tmp_path / "ours.h5", ours)
    with h5py.File(tmp_path / "ours.h5") as f:
        theirs = anndata.io.read_elem(f["x"])
    assert theirs.format == layout
    np.testing.assert_array_equal(theirs.toarray(), x.toarray())


def test_anndata_files_survive(tmp_path):
    anndata = pytest.importorskip("anndata")
    pd = pytest.importorskip("pandas")
    data = anndata.AnnData(
        X=ss.random(5, 4, density=0.4, format="csr", dtype=np.float32, random_state=1),
        obs=pd.DataFrame({"kind": pd.Categorical(list("ababa")), "n": np.arange(5)}, index=[f"c{i}" for i in range(5)]),
        obsm={"pca": np.ones((5, 2), np.float32)},
    )
    data.write_h5ad(tmp_path / "theirs.h5ad")
    ferry.save(tmp_path / "ours.h5ad", ferry.load(tmp_path / "theirs.h5ad"))
    back = anndata.read_h5ad(tmp_path / "ours.h5ad")
    np.testing.assert_array_equal(back.X.toarray(), data.X.toarray())
    pd.testing.assert_frame_equal(back.obs, data.obs)
    np.testing.assert_array_equal(back.obsm["pca"], data.obsm["pca"])


def model(keras):
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, dtype="bfloat16"), keras.layers.Dense(2)])


def test_keras_loads_what_we_write(tmp_path):
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    keras = pytest.importorskip("keras")
    a, b = model(keras), model(keras)
    a.save_weights(tmp_path / "theirs.weights.h5")
    a.save(tmp_path / "theirs.keras")
    ferry.save(tmp_path / "ours.weights.h5", ferry.load(tmp_path / "theirs.weights.h5"))
    b.load_weights(tmp_path / "ours.weights.h5")
    ferry.save(tmp_path / "ours.keras", ferry.load(tmp_path / "theirs.keras"))
    c = keras.models.load_model(tmp_path / "ours.keras")
    for x, y, z in zip(a.get_weights(), b.get_weights(), c.get_weights()):
        np.testing.assert_array_equal(np.asarray(x, np.float32), np.asarray(y, np.float32))
        np.testing.assert_array_equal(np.asarray(x, np.float32), np.asarray(z, np.float32))


@pytest.mark.parametrize("through", ["h5", "safetensors"])
def test_keras_2_loads_what_we_write(tmp_path, monkeypatch, through):
    tf_keras = pytest.importorskip("tf_keras")
    # Long lists of names are divided over several attributes; these count as long.
    monkeypatch.setattr(tf_keras.src.saving.legacy.hdf5_format, "HDF5_OBJECT_HEADER_LIMIT", 60)

    def build():
        layers = [tf_keras.layers.Dense(2, name="hidden"), tf_keras.layers.Dropout(0.5), tf_keras.layers.BatchNormalization(), tf_keras.layers.Dense(1)]
        return tf_keras.Sequential([tf_keras.Input((3,)), *layers])

    a, b = build(), build()
    a.compile("adam", "mse")
    a.fit(np.ones((4, 3)), np.ones(4), verbose=0)
    a.save_weights(tmp_path / "weights.h5", save_format="h5")
    a.save(tmp_path / "whole.h5", save_format="h5")
    theirs = ferry.load(tmp_path / "weights.h5")
    np.testing.assert_array_equal(theirs["hidden/hidden/kernel:0"].to_numpy(), a.layers[0].kernel.numpy())
    for name in ("weights", "whole"):
        ferry.save(tmp_path / f"{name}_between.{through}", ferry.load(tmp_path / f"{name}.h5"))
        ferry.save(tmp_path / f"{name}_ours.h5", ferry.load(tmp_path / f"{name}_between.{through}"))
    b.load_weights(tmp_path / "weights_ours.h5")
    c = tf_keras.models.load_model(tmp_path / "whole_ours.h5")
    for x, y, z in zip(a.get_weights(), b.get_weights(), c.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)
        np.testing.assert_array_equal(x, z)
    assert len(c.optimizer.variables) == len(a.optimizer.variables)
    for x, y in zip(a.optimizer.variables, c.optimizer.variables):
        np.testing.assert_array_equal(x.numpy(), y.numpy())
