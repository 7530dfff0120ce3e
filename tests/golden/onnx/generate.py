"""Writes the onnx goldens beside this file with the onnx package, and the damaged ones under bad/. Run by hand; see versions.txt."""
import pathlib
import sys

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

HERE = pathlib.Path(__file__).parent
BAD = HERE / "bad"
BAD.mkdir(exist_ok=True)


def save(name, message):
    (HERE / name).write_bytes(message.SerializeToString())


NUMBERS = ["FLOAT", "UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "BOOL", "FLOAT16", "DOUBLE", "UINT32", "UINT64", "COMPLEX64", "COMPLEX128", "BFLOAT16",
           "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "UINT4", "INT4", "FLOAT4E2M1", "FLOAT8E8M0", "UINT2", "INT2"]


def values_of(kind):
    if kind.startswith("COMPLEX"):
        return np.array([1 + 2j, -0.5j, 3], helper.tensor_dtype_to_np_dtype(getattr(T, kind)))
    return np.array([1, 0, 1 if kind in ("BOOL", "INT2") else 2]).astype(helper.tensor_dtype_to_np_dtype(getattr(T, kind)))


raw, typed = [], []
for kind in NUMBERS:
    array = values_of(kind)
    raw.append(numpy_helper.from_array(array, f"raw_{kind}"))
    typed.append(helper.make_tensor(f"typed_{kind}", getattr(T, kind), [3], array.tolist() if kind.startswith("COMPLEX") else array.astype(np.float64 if "FLOAT" in kind or kind == "DOUBLE" else array.dtype)))
strings = helper.make_tensor("strings", T.STRING, [2, 2], [b"a", b"", "é".encode(), b"\xff\0"])
scalar = helper.make_tensor("scalar", T.FLOAT, [], [2.5])
empty = helper.make_tensor("empty", T.FLOAT, [0, 3], [])


def sparse(name, linear=False, dtype=T.FLOAT):
    values = helper.make_tensor(name, dtype, [2], [2.0, 5.0])
    indices = helper.make_tensor("", T.INT64, [2], [1, 8]) if linear else helper.make_tensor("", T.INT64, [2, 2], [0, 1, 2, 0])
    return helper.make_sparse_tensor(values, indices, [3, 4])


def model(initializers=(), sparse_initializers=(), nodes=(), **options):
    graph = helper.make_graph(list(nodes), "g", [], [], initializer=list(initializers))
    graph.sparse_initializer.extend(sparse_initializers)
    return helper.make_model(graph, producer_name="golden", **options)


save("raw_types.onnx", model(raw))
save("typed_types.onnx", model(typed))
save("model.onnx", model([numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "w"), strings, scalar, empty],
                         [sparse("coo"), sparse("linear", True)]))
for kind in ("FLOAT", "INT64", "BFLOAT16", "INT4", "BOOL"):
    save(f"raw_{kind.lower()}.pb", raw[NUMBERS.index(kind)])
    save(f"typed_{kind.lower()}.pb", typed[NUMBERS.index(kind)])
save("strings.pb", strings)
save("scalar.pb", scalar)
save("sparse.pb", sparse("coo"))
save("sparse_linear.pb", sparse("linear", True))

then = helper.make_graph([helper.make_node("Constant", [], ["t"], value=helper.make_tensor("", T.INT64, [2], [1, 2]))], "then",
                         [], [helper.make_tensor_value_info("t", T.INT64, [2])], initializer=[helper.make_tensor("inner", T.FLOAT, [1], [7.0])])
other = helper.make_graph([helper.make_node("Constant", [], ["t"], sparse_value=sparse("s"))], "else", [], [helper.make_tensor_value_info("t", T.FLOAT, [3, 4])])
nodes = [helper.make_node("Constant", [], ["c"], value=helper.make_tensor("ignored", T.BOOL, [], [True])),
         helper.make_node("ConstantOfShape", ["shape"], ["filled"], name="fill", value=helper.make_tensor("", T.FLOAT, [1], [0.5])),
         helper.make_node("If", ["c"], ["y"], name="branch", then_branch=then, else_branch=other)]
whole = model([helper.make_tensor("shape", T.INT64, [2], [2, 3])], nodes=nodes)
whole.metadata_props.add(key="author", value="me")
whole.graph.initializer[0].doc_string = "of the filled tensor"
save("nested.onnx", whole)

weights = np.arange(1000, dtype=np.float32)
outside = model([numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.arange(3), "small")])
onnx.save(outside, HERE / "external.onnx", save_as_external_data=True, all_tensors_to_one_file=True, location="external.data.md", size_threshold=1024)


# ---- What must be refused

def bad(name, message, expected):
    (BAD / name).write_bytes(message if isinstance(message, bytes) else message.SerializeToString())
    (BAD / f"{name}.expected").write_text(expected + "\n")


def tensor(**fields):
    out = T(dims=[3], data_type=T.FLOAT, name="x", raw_data=bytes(12))
    for key, value in fields.items():
        out.ClearField(key)
        if isinstance(value, list):
            getattr(out, key).extend(value)
        elif value is not None:
            setattr(out, key, value)
    return out


def external(**entries):
    out = tensor(raw_data=None, data_location=T.EXTERNAL)
    for key, value in entries.items():
        out.external_data.add(key=key, value=value)
    return out


bad("type.onnx", model([tensor(data_type=99)]), "the tensor's data_type is 99, expected one of ONNX's numbers from 1 to 28")
bad("no_type.onnx", model([tensor(data_type=None)]), "the tensor's data_type is 0")
bad("raw_short.onnx", model([tensor(raw_data=bytes(11))]), "raw_data holds 11 bytes, shape [3] of FLOAT needs 12")
bad("raw_long.onnx", model([tensor(raw_data=bytes(13))]), "raw_data holds 13 bytes, shape [3] of FLOAT needs 12")
bad("no_data.onnx", model([tensor(raw_data=None)]), "a tensor of shape [3] of FLOAT has 0 values, expected 3")
bad("few_values.onnx", model([tensor(raw_data=None, float_data=[1.0, 2.0])]), "a tensor of shape [3] of FLOAT has 2 values, expected 3")
bad("many_values.onnx", model([tensor(raw_data=None, float_data=[1.0] * 4)]), "a tensor of shape [3] of FLOAT has 4 values, expected 3")
bad("few_strings.onnx", model([tensor(raw_data=None, data_type=T.STRING, string_data=[b"a"])]), "a tensor of shape [3] of STRING has 1 values, expected 3")
bad("raw_strings.onnx", model([tensor(data_type=T.STRING)]), "strings lie in raw_data, which ONNX does not allow")
bad("bool.onnx", model([tensor(data_type=T.BOOL, raw_data=b"\0\1\2")]), "bool element 2 is 2, expected 0 or 1")
bad("negative.onnx", model([tensor(dims=[-3])]), "dims of a tensor: axis 0 has the negative length -3")
bad("huge.onnx", model([tensor(dims=[2**40, 2**40])]), "dims of a tensor: shape")
bad("bomb.onnx", model([tensor(dims=[2**30], raw_data=None)]), "a tensor of shape [1073741824] of FLOAT has 0 values")
bad("segment.onnx", model([T(dims=[1], data_type=T.FLOAT, name="x", raw_data=bytes(4), segment=T.Segment(begin=0, end=1))]), "the tensor is a segment of a larger one")
bad("no_graph.onnx", onnx.ModelProto(ir_version=8, opset_import=[helper.make_opsetid("", 17)]), "the ONNX model has no graph")
bad("cut.onnx", model([tensor()]).SerializeToString()[:-12], "protobuf")
bad("coordinate.onnx", model([], [helper.make_sparse_tensor(helper.make_tensor("s", T.FLOAT, [1], [1.0]), helper.make_tensor("", T.INT64, [1, 2], [3, 0]), [3, 4])]),
    "entry 0 is at [3, 0], outside shape [3, 4]")
bad("position.onnx", model([], [helper.make_sparse_tensor(helper.make_tensor("s", T.FLOAT, [1], [1.0]), helper.make_tensor("", T.INT64, [1], [12]), [3, 4])]),
    "entry 0 is at position 12, outside shape [3, 4]")
bad("counts.onnx", model([], [helper.make_sparse_tensor(helper.make_tensor("s", T.FLOAT, [1], [1.0]), helper.make_tensor("", T.INT64, [2], [1, 2]), [3, 4])]),
    "do not make a sparse tensor")
bad("missing.onnx", model([external(location="nowhere.bin", offset="0", length="12")]), "external data 'nowhere.bin'")
bad("outside.onnx", model([external(location="../external.data.md", length="12")]), "external data '../external.data.md'")
bad("absolute.onnx", model([external(location="/etc/passwd", length="12")]), "external data '/etc/passwd'")
bad("length.onnx", model([external(location="x", length="13")]), "external data of 13 bytes, shape [3] of FLOAT needs 12")
bad("offset.onnx", model([external(location="type.onnx", offset="100000")]), "external data 'type.onnx'")
bad("number.onnx", model([external(location="x", offset="-1")]), "external_data's offset is '-1', expected a number of bytes")
bad("location.onnx", model([external(length="12")]), "whose location is not said")

(HERE / "versions.txt").write_text(f"python {sys.version.split()[0]}\nonnx {onnx.__version__}\nnumpy {np.__version__}\nml_dtypes {ml_dtypes.__version__}\n")
