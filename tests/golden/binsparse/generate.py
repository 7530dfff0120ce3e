"""Writes the Binsparse goldens beside this file with binsparse-python, and the damaged ones under bad/. Run by hand; see versions.txt."""
import importlib.metadata
import json
import pathlib
import sys

import numpy as np
import scipy.sparse as ss
import sparse
from binsparse import (COOCMatrix, CSCMatrix, CSRMatrix, CustomTensor, CVECVector, DCSCMatrix, DCSRMatrix, DenseLevel, DMATCMatrix, DVECVector,
                       ElementLevel, SparseLevel, save_binsparse)
from binsparse.conversions.numpy import from_numpy
from binsparse.conversions.scipy import from_scipy
from binsparse.conversions.sparse import from_sparse

HERE = pathlib.Path(__file__).parent
BAD = HERE / "bad"
BAD.mkdir(exist_ok=True)


def save(name, tensor, **header):
    save_binsparse(tensor, HERE / f"{name}.bsp.npz", header=header or None)


# [[0 1 0 2], [0 0 0 0], [3 0 4 0], [0 0 0 5]]
matrix = ss.csr_array(np.array([[0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 5]], np.float32))
for layout in ("csr", "csc", "coo"):
    save(layout, from_scipy(matrix.asformat(layout)))
dense = np.arange(6, dtype=np.float64).reshape(2, 3)
save("dvec", DVECVector((3,), 3, values=np.array([1, -2, 3], np.int16)))
save("dmatr", from_numpy(dense))
save("dmatc", DMATCMatrix((2, 3), 6, values=dense.T.reshape(-1).copy()))
save("dense_3d", from_numpy(np.arange(24, dtype=np.uint16).reshape(2, 3, 4)))
save("dense_scalar", from_numpy(np.array(2.5)))
save("cvec", CVECVector((9,), 2, indices_0=np.array([3, 7], np.uint64), values=np.array([1.5, 2.5])))
save("cooc", COOCMatrix((2, 3), 3, indices_0=np.array([0, 1, 1], np.uint32), indices_1=np.array([1, 0, 1], np.uint32), values=np.array([1, 2, 3], np.int8)))
save("dcsr", DCSRMatrix((1000000000000, 4), 3, indices_0=np.array([5, 999999999999]), pointers_to_1=np.array([0, 2, 3]),
                        indices_1=np.array([0, 3, 1], np.uint8), values=np.array([1.0, 2, 3])))
save("dcsc", DCSCMatrix((4, 6), 3, indices_0=np.array([1, 4], np.int32), pointers_to_1=np.array([0, 2, 3], np.uint64),
                        indices_1=np.array([0, 3, 1], np.int32), values=np.array([1.0, 2, 3], np.float32)))
save("iso", CSRMatrix((5, 5), 6, pointers_to_1=np.array([0, 1, 3, 3, 5, 6], np.uint64), indices_1=np.array([3, 1, 4, 1, 2, 3], np.uint64),
                      values=np.broadcast_to(np.array([7], np.int8), (6,))))
save("complex", from_scipy(ss.csc_array(np.array([[0, 1 + 2j], [-0.5j, 0]]))))
save("bool", from_scipy(ss.coo_array(np.array([[False, True], [True, False]]))))
save("pydata", from_sparse(sparse.COO(np.array([[0, 1], [1, 2]]), np.array([1.0, 2.0]), shape=(2, 3))))
save("pydata_3d", from_sparse(sparse.COO(np.array([[0, 1], [1, 1], [2, 0]]), np.array([1, 2], np.int32), shape=(2, 3, 4))))
# A dense axis of sparse matrices, and a sparse vector of dense blocks whose axes are then turned.
save("custom_batch", CustomTensor((2, 3, 4), 3, level=DenseLevel(1, SparseLevel(2, ElementLevel(np.array([1.0, 2, 3])), (np.array([0, 2, 1]), np.array([3, 0, 1])), np.array([0, 2, 3])))))
save("custom_blocks", CustomTensor((2, 2, 5), 8, transpose=(2, 0, 1), level=SparseLevel(1, DenseLevel(2, ElementLevel(np.arange(8, dtype=np.float32))), (np.array([1, 4]),))))
lower = dict(pointers_to_1=np.array([0, 1, 3, 5, 7, 9], np.uint64), indices_1=np.array([0, 0, 1, 0, 2, 1, 3, 2, 4], np.uint64))
values = np.array([1, 2, 9, 7, 2, 2, 3, 3, 7], np.int8)
save("symmetric_lower", CSRMatrix((5, 5), 9, values=values, **lower), structure="symmetric_lower")
save("skew_upper", CSCMatrix((5, 5), 9, values=values, **lower), structure="skew_symmetric_upper")
save("hermitian_lower", CSRMatrix((5, 5), 9, values=values * (1 + 1j), **lower), structure="hermitian_lower")
save("symmetric_dense", from_numpy(np.array([[1, 0], [2, 3]])), structure="symmetric_lower")
save("base_1", CSRMatrix((2, 2), 2, pointers_to_1=np.array([1, 2, 3]), indices_1=np.array([2, 1]), values=np.array([1.0, 2.0])), index_base=1)


def bad(name, sentence, drop=(), arrays=None, raw=None, **change):
    """A CSR matrix with something wrong."""
    members = dict(pointers_to_1=np.array([0, 1, 2]), indices_1=np.array([0, 1]), values=np.array([1.0, 2.0]))
    members.update(arrays or {})
    header = dict(version="0.1.0", format="CSR", shape=[2, 3], number_of_stored_values=2,
                  data_types={"pointers_to_1": "int64", "indices_1": "int64", "values": "float64"})
    for key, value in change.items():
        header[key] = value
    for key in drop:
        header.pop(key, None)
        members.pop(key, None)
    text = json.dumps({"binsparse": header}) if raw is None else raw
    np.savez(BAD / f"{name}.bsp.npz", **members, binsparse=np.asarray(text))
    (BAD / f"{name}.bsp.npz.expected").write_text(sentence + "\n")


types = {"pointers_to_1": "int64", "indices_1": "int64", "values": "float64"}
for key in ("version", "format", "shape", "number_of_stored_values", "data_types"):
    bad(f"no_{key}", f"the descriptor has no {key}", drop=[key])
bad("no_array", "the descriptor needs an array 'indices_1', and there is none", drop=["indices_1"])
bad("no_namespace", "the descriptor has no object \"binsparse\"", raw="{}")
bad("no_json", "the descriptor is no object", raw="CSR")
bad("cut_json", "the JSON text ends here", raw='{"binsparse": {"version": "0.1"')
bad("version", "is Binsparse version '1.0.0'; version 0.1 is read", version="1.0.0")
bad("format", "format 'CSX' is none of Binsparse's", format="CSX")
bad("axes", "format CSR has 2 axes, shape [2, 3, 4] has 3", shape=[2, 3, 4])
bad("negative", "shape is no whole number from 0 up", shape=[2, -3])
bad("stored", "number_of_stored_values is 3, the arrays of format CSR make 2", number_of_stored_values=3)
bad("pointers", "array 'pointers_to_1' has 3 elements, expected one more than the 9 it points from", shape=[9, 3])
bad("falling", "indptr falls from 2 to 1", arrays={"pointers_to_1": np.array([0, 2, 1])})
bad("column", "entry 1 is in column 7, outside shape [2, 3]", arrays={"indices_1": np.array([0, 7])})
bad("values", "array \"values\" has 3 elements, expected 2", arrays={"values": np.ones(3)})
bad("two_axes", "array 'values' has shape [2, 1], expected one axis", arrays={"values": np.ones((2, 1))})
bad("type", "array 'values' is float64 and data_types says 'float32'", data_types={**types, "values": "float32"})
bad("unknown_type", "data type 'float128' is none of Binsparse's", data_types={**types, "values": "float128"})
bad("untyped", "data_types does not name 'values'", data_types={k: v for k, v in types.items() if k != "values"})
bad("complex_int", "data type 'complex[int8]', expected complex numbers of float32 or float64", data_types={**types, "values": "complex[int8]"})
bad("iso", "array \"values\" has 2 elements, expected 1", data_types={**types, "values": "iso[float64]"})
bad("float_index", "array 'indices_1' is float64 and data_types says 'int64'", arrays={"indices_1": np.array([0.0, 1.0])})
bad("structure", "structure 'diagonal' is none of Binsparse's", structure="diagonal")
bad("not_square", "structure symmetric_lower needs a square matrix, shape is [2, 3]", structure="symmetric_lower")
bad("triangle", "entry 0 at [0, 1] lies in the triangle that structure symmetric_lower leaves out", structure="symmetric_lower", shape=[2, 2],
    arrays={"indices_1": np.array([1, 1])})
bad("hermitian_real", "structure hermitian_lower needs complex values, these are float64", structure="hermitian_lower", shape=[2, 2])
bad("index_base", "index_base is 2, expected 0 or 1", index_base=2)
bad("fill", "places that are not stored are 5, and our sparse tensors have zeros there; read it with fill=dense", fill=True,
    arrays={"fill_value": np.array([5.0])}, data_types={**types, "fill_value": "float64"})
bad("no_fill", "the descriptor needs an array 'fill_value', and there is none", fill=True)
level = {"level_desc": "sparse", "rank": 2, "level": {"level_desc": "element"}}
bad("custom", "a custom format needs custom.level, down to an element level", format="custom")
bad("custom_rank", "a sparse level has no rank from 1 up", format="custom", custom={"level": {**level, "rank": 0}})
bad("custom_kind", "level_desc is 'ragged', expected element, dense or sparse", format="custom", custom={"level": {**level, "level_desc": "ragged"}})
bad("custom_array", "the descriptor needs an array 'indices_0', and there is none", format="custom", custom={"level": level})
bad("transpose", "transpose is no permutation of the 2 axes", format="custom", custom={"level": level, "transpose": [0, 0]})
bad("iso_bomb", "max_expansion_ratio", format="DVEC", shape=[10**10], number_of_stored_values=10**10, data_types={"values": "iso[float64]"},
    arrays={"values": np.ones(1)})
bad("deep", "nested deeper than", raw='{"binsparse": {"custom": {"level": ' + '{"level": ' * 200)
np.savez(BAD / "no_descriptor.bsp.npz", values=np.ones(2))
(BAD / "no_descriptor.bsp.npz.expected").write_text("has no member binsparse.npy with a Binsparse descriptor; read it as npz\n")

(HERE / "versions.txt").write_text(f"python {sys.version.split()[0]}\n" + "".join(
    f"{name} {importlib.metadata.version(name)}\n" for name in ("binsparse", "numpy", "scipy", "sparse")))
