"""Writes the TensorProto goldens beside this file with TensorFlow, and the damaged ones under bad/. See versions.txt."""
import pathlib

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

HERE = pathlib.Path(__file__).parent


def save(name, data):
    (HERE / f"{name}.tensorproto").write_bytes(data)


def proto(dtype, shape, **fields):
    out = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum)
    for dim in shape:
        out.tensor_shape.dim.add().size = dim
    for key, value in fields.items():
        if isinstance(value, bytes):
            setattr(out, key, value)
        else:
            getattr(out, key).extend(value)
    return out.SerializeToString()


SERIALIZED = [tf.float32, tf.float64, tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint16, tf.uint32, tf.uint64, tf.float16, tf.bfloat16,
              tf.complex64, tf.complex128, tf.bool]
for dtype in SERIALIZED:
    values = np.array([[0, 1, 2], [3, 100, 127]]).astype(dtype.as_numpy_dtype)
    save(f"serialize_{dtype.name}", tf.io.serialize_tensor(tf.constant(values, dtype)).numpy())
save("serialize_string", tf.io.serialize_tensor(tf.constant([["a", ""], ["\u00e9", b"\xff\x00"]])).numpy())
save("serialize_scalar", tf.io.serialize_tensor(tf.constant(2.5)).numpy())
save("serialize_empty", tf.io.serialize_tensor(tf.zeros([0, 3])).numpy())
save("serialize_rank8", tf.io.serialize_tensor(tf.ones([1, 2, 1, 1, 1, 1, 2, 1])).numpy())
INTS = ["qint8", "quint8", "qint16", "quint16", "qint32", "int4", "uint4", "int2", "uint2", "int8", "uint8", "int16", "uint16", "int32"]
CASES = {"float_val": (["float32"], [1.5, -2]), "double_val": (["float64"], [1.5, -2]), "int_val": (INTS, [1, 0]), "int64_val": (["int64"], [1, -2]),
         "uint32_val": (["uint32"], [1, 2**32 - 1]), "uint64_val": (["uint64"], [1, 2**64 - 1]), "bool_val": (["bool"], [True, False]),
         "half_val": (["float16", "bfloat16"], [0x3c00, 0x4000]), "scomplex_val": (["complex64"], [1, 2, 3, 4]),
         "dcomplex_val": (["complex128"], [1, 2, 3, 4]), "string_val": (["string"], [b"a", b"bc"]),
         "float8_val": (["float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz", "float8_e5m2fnuz", "float4_e2m1fn"], b"\x01\x02")}
for field, (names, values) in CASES.items():
    for name in names:
        save(f"{field}_{name}", proto(tf.dtypes.as_dtype(name), [3], **{field: values}))
save("zeros", proto(tf.int32, [2, 2]))
save("make_tensor_proto", tf.make_tensor_proto(7, tf.int64, [4, 5]).SerializeToString())

BAD = {
    "content": (proto(tf.float32, [3], tensor_content=b"12345678"), "tensor_content holds 8 bytes, shape [3] of float32 needs 12"),
    "concatenated": (tf.io.serialize_tensor(tf.ones([2])).numpy() * 2, "look like 2 TensorProtos written one after another"),
    "negative": (proto(tf.float32, [-1], float_val=[1]), "negative length -1"),
    "variant": (proto(tf.variant, []), "variant, a handle"),
    "reference": (tensor_pb2.TensorProto(dtype=101).SerializeToString() + b"\x12\x00", "is a reference to float32"),
    "huge_splat": (proto(tf.float32, [2**38], float_val=[1]), "200 times the message is refused"),
    "bool": (proto(tf.bool, [2], tensor_content=b"\x01\x02"), "a bool is stored as 2"),
    "strings": (proto(tf.string, [2], tensor_content=b"\x05\x01ab"), "need 6 bytes by their lengths, 2 are there"),
}
for name, (data, sentence) in BAD.items():
    (HERE / "bad" / f"{name}.tensorproto").write_bytes(data)
    (HERE / "bad" / f"{name}.tensorproto.expected").write_text(sentence + "\n")
(HERE / "versions.txt").write_text(f"tensorflow {tf.__version__}\nnumpy {np.__version__}\n")
