"""Writes the goldens of `tensordata` beside this file with google.protobuf and the message as people define it. See versions.txt."""
import pathlib

import google.protobuf
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

HERE = pathlib.Path(__file__).parent


def message(packed):
    file = descriptor_pb2.FileDescriptorProto(name=f"tensor_data_{packed}.proto", package=f"p{packed}", syntax="proto3")
    m = file.message_type.add(name="TensorData")
    field = descriptor_pb2.FieldDescriptorProto
    for number, name, kind, label in [(1, "data", field.TYPE_FLOAT, field.LABEL_REPEATED), (2, "shape", field.TYPE_INT64, field.LABEL_REPEATED),
                                      (3, "dtype", field.TYPE_STRING, field.LABEL_OPTIONAL)]:
        f = m.field.add(name=name, number=number, type=kind, label=label)
        if not packed and label == field.LABEL_REPEATED:
            f.options.packed = False
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"p{packed}.TensorData"))


Packed, Unpacked = message(1), message(0)


def save(name, cls, array, dtype):
    data = cls(data=array.astype(np.float32).ravel().tolist(), shape=array.shape, dtype=dtype).SerializeToString()
    (HERE / f"{name}.tensordata").write_bytes(data)
    return data


x = np.arange(6, dtype=np.float32).reshape(2, 3) - 1.5
packed = save("float32", Packed, x, "float32")
unpacked = save("unpacked", Unpacked, x, "float32")
save("eager_repr", Packed, x, "<dtype: 'float32'>")
save("tf_name", Packed, x, "tf.float32")
save("enum_name", Packed, x, "DT_FLOAT")
save("numpy_class", Packed, np.arange(4), "<class 'numpy.int64'>")
save("int32", Packed, np.array([[1, -2], [3, 2**24]]), "int32")
save("bool", Packed, np.array([True, False]), "bool")
save("half", Packed, np.array([1.5, 65504]), "torch.float16")
save("scalar", Packed, np.array(7.0), "float32")
save("empty", Packed, np.zeros([0, 3]), "float32")
mixed = Packed(data=[0.5, 1.5], dtype="float32").SerializeToString() + Unpacked(data=[2.5, 3.5], shape=[2, 2]).SerializeToString()
(HERE / "mixed.tensordata").write_bytes(mixed)

BAD = {
    "count": (Packed(data=[1, 2, 3], shape=[2, 2], dtype="float32"), "holds 3 floats, shape [2, 2] needs 4"),
    "no_shape": (Packed(data=[1, 2, 3], dtype="float32"), "holds 3 floats, shape [] needs 1 (no shape is given, which means a scalar)"),
    "negative": (Packed(data=[1], shape=[-1], dtype="float32"), "axis 0 has the negative length -1"),
    "dtype": (Packed(data=[1], shape=[1], dtype="float33"), "the TensorData's dtype is 'float33', expected a name like 'float32'"),
    "fraction": (Packed(data=[1.5], shape=[1], dtype="int32"), "its floats do not fit it"),
    "strings": (Packed(data=[1.5], shape=[1], dtype="string"), "dtype is string and it holds 1 floats"),
}
for name, (m, sentence) in BAD.items():
    (HERE / "bad" / f"{name}.tensordata").write_bytes(m.SerializeToString())
    (HERE / "bad" / f"{name}.tensordata.expected").write_text(sentence + "\n")
(HERE / "bad" / "half_float.tensordata").write_bytes(b"\x0a\x05\x00\x00\x80\x3f\x00" + packed)
(HERE / "bad" / "half_float.tensordata.expected").write_text("the packed floats are 5 bytes, no multiple of 4\n")
(HERE / "versions.txt").write_text(f"protobuf {google.protobuf.__version__}\nnumpy {np.__version__}\n")
