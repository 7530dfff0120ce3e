"""Writes the HDF5 goldens beside this file with h5py, AnnData and Keras, and the damaged ones under bad/. Run by hand; see versions.txt."""
import importlib.metadata
import os
import pathlib
import sys

os.environ["KERAS_BACKEND"] = "numpy"
import anndata
import h5py
import keras
import ml_dtypes
import numpy as np
import pandas as pd
import scipy.sparse as sp

HERE = pathlib.Path(__file__).parent
BAD = HERE / "bad"

with h5py.File(HERE / "datasets.h5", "w") as f:
    f["a/b"] = np.arange(6, dtype=np.float32).reshape(2, 3)
    f["a/big_endian"] = np.array([1, -2], ">i2")
    f["scalar"] = np.float64(2.5)
    f["half"] = np.array([1.5, -65504], np.float16)
    f["bool"] = np.array([True, False, True])
    f["complex"] = np.array([1 - 2j], np.complex64)
    f["bfloat16"] = np.array([1.5, 3e38], ml_dtypes.bfloat16)
    f["empty"] = np.zeros((0, 3), np.int64)
    f["null"] = h5py.Empty("f4")
    f["text"] = ["héllo", "", "x"]
    f["fixed"] = np.array([b"ab", b"c"])
    f["one"] = "a text"
    f["enum"] = np.array([1, 0], h5py.enum_dtype({"no": 0, "yes": 1}, basetype="i4"))
    f["rows"] = np.array([np.array([1, 2], np.int32), np.array([], np.int32), np.array([3], np.int32)], h5py.vlen_dtype(np.int32))
    f["record"] = np.array([(1, 2.5), (3, 4.5)], [("id", "<i4"), ("score", "<f8")])
    f["array"] = np.zeros(2, np.dtype(("<i4", (3,))))
    f["reference"] = f["scalar"].ref
    f["soft"] = h5py.SoftLink("/a/b")
    f["outside"] = h5py.ExternalLink("/etc/passwd", "/x")
    f["a"].attrs["note"] = "a group"
    f["a/b"].attrs["unit"] = "m/s"
    f["a/b"].attrs["range"] = [0, 5]
    f.attrs["version"] = 3

with h5py.File(HERE / "chunks.h5", "w") as f:
    x = np.arange(60, dtype=np.int32).reshape(6, 10)
    f.create_dataset("gzip", data=x, chunks=(4, 4), compression="gzip", shuffle=True, fletcher32=True)
    f.create_dataset("lzf", data=np.tile(x, (4, 4)), chunks=(8, 16), compression="lzf")
    f.create_dataset("unwritten", (3, 4), np.float32, chunks=(2, 2), fillvalue=7)
    f.create_dataset("growing", data=x, maxshape=(None, 10), chunks=(2, 10))

with h5py.File(HERE / "latest.h5", "w", libver="latest", track_order=True) as f:
    for name in ("z", "y", "x"):
        f[name] = np.full(2, ord(name), np.uint8)
    f["w/indices"] = np.array([[0, 1], [2, 0]])
    f["w/values"] = np.array([2.0, 5.0], np.float32)
    f["w/dense_shape"] = np.array([3, 4])
    f.create_dataset("chunked", data=np.arange(20.0), chunks=(6,), compression="gzip")

# [[0 1 0 2], [0 0 0 0], [3 0 4 0], [0 0 0 5]]
matrix = sp.csr_matrix(np.array([[0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 5]], dtype=np.float32))
names = [f"cell{i}" for i in range(4)]
data = anndata.AnnData(
    X=matrix,
    obs=pd.DataFrame({"kind": pd.Categorical(["a", "b", "a", "b"]), "count": [2, 0, 2, 1]}, index=names),
    layers={"csc": matrix.tocsc()},
    obsm={"pca": np.arange(8, dtype=np.float32).reshape(4, 2)},
)
data.write_h5ad(HERE / "anndata.h5ad")

with h5py.File(HERE / "h5sparse.h5", "w") as f:  # as AnnData before 0.7
    g = f.create_group("X")
    g.attrs["h5sparse_format"], g.attrs["h5sparse_shape"] = "csr", matrix.shape
    g["data"], g["indices"], g["indptr"] = matrix.data, matrix.indices, matrix.indptr

keras.utils.set_random_seed(1)
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype="bfloat16"), keras.layers.Dense(1)])
model.save_weights(HERE / "keras3.weights.h5")
# Keras itself cannot load bfloat16 from a whole model in HDF5.
keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(HERE / "keras_whole.h5")

good = bytearray((HERE / "latest.h5").read_bytes())


def bad(name, data, expected):
    (BAD / name).write_bytes(bytes(data))
    (BAD / (name + ".expected")).write_text(expected + "\n")


BAD.mkdir(exist_ok=True)
bad("no_signature.h5", b"\x89HDF\r\n\x1a\r" + good[8:], "no HDF5 signature")
bad("truncated.h5", good[:-100], "truncated file")
checksum = bytearray(good)
checksum[40] ^= 1
bad("checksum.h5", checksum, "incorrect metadata checksum")
with h5py.File(BAD / "external.h5", "w") as f:
    f.create_dataset("x", (4,), "u1", external=[("/etc/passwd", 0, 4)])
(BAD / "external.h5.expected").write_text("dataset 'x': its data lies in other files (external storage), which are not opened\n")
with h5py.File(BAD / "virtual.h5", "w") as f:
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    f.create_virtual_dataset("x", layout)
(BAD / "virtual.h5.expected").write_text("dataset 'x': it is a virtual dataset\n")
with h5py.File(BAD / "references.h5", "w") as f:
    f["x"] = f.ref
(BAD / "references.h5.expected").write_text("nothing in the file can be read as a tensor: x (references to other objects of the file)\n")
with h5py.File(BAD / "huge.h5", "w") as f:
    f.create_dataset("x", (10**12,), "f4", chunks=(10**6,))
(BAD / "huge.h5.expected").write_text("dataset 'x': it has 4000000000000 bytes, more than 1099511627776 (max_tensor_bytes)\n")
with h5py.File(BAD / "bomb.h5", "w") as f:
    f.create_dataset("x", (10**9,), "f4", chunks=(10**6,))
(BAD / "bomb.h5.expected").write_text("max_expansion_ratio\n")
with h5py.File(BAD / "szip.h5", "w") as f:
    f.create_dataset("x", data=np.arange(64), chunks=(64,), compression="gzip")
raw = bytearray((BAD / "szip.h5").read_bytes())
at = raw.index(b"deflate\0") - 8
raw[at] = 99  # a filter that nobody has
bad("szip.h5", raw, "went through the HDF5 filter 'deflate' (number 99), which ferry-hdf5 does not have")
with h5py.File(BAD / "boolean.h5", "w") as f:
    f["x"] = np.array([True, False])
    where = f["x"].id.get_offset()
raw = bytearray((BAD / "boolean.h5").read_bytes())
raw[where] = 2
bad("boolean.h5", raw, "bool element 0 is 2, expected 0 or 1")
with h5py.File(BAD / "index.h5", "w") as f:
    g = f.create_group("X")
    g.attrs["encoding-type"], g.attrs["shape"] = "csr_matrix", (2, 2)
    g["data"], g["indices"], g["indptr"] = [1.0], [7], [0, 1, 1]
(BAD / "index.h5.expected").write_text("tensor 'X': entry 0 is in column 7, outside shape [2, 2]\n")

(HERE / "versions.txt").write_text(
    f"Python {sys.version.split()[0]}\nh5py {h5py.__version__} (HDF5 {h5py.version.hdf5_version})\nanndata {importlib.metadata.version('anndata')}\n"
    f"keras {keras.__version__}\nnumpy {np.__version__}\n"
)
