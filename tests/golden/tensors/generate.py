"""Writes the goldens of `tensors` beside this file with TensorFlow and google.protobuf, and the damaged ones under bad/. See versions.txt."""
import pathlib

import google.protobuf
import numpy as np
import tensorflow as tf
from google.protobuf.internal.encoder import _VarintBytes

HERE = pathlib.Path(__file__).parent
VALUES = [tf.constant([[1.5, -2.0, 3.0]]), tf.constant([1, 2**53 + 1], tf.int64), tf.constant(["a", "", b"\xff\x00"]), tf.zeros([0, 3]), tf.constant(True),
          tf.range(300, dtype=tf.int32)]
MESSAGES = [tf.io.serialize_tensor(v).numpy() for v in VALUES]


def record(messages):
    path = HERE / "temporary"
    with tf.io.TFRecordWriter(str(path)) as out:
        for m in messages:
            out.write(m)
    data = path.read_bytes()
    path.unlink()
    return data


def delimited(messages):
    return b"".join(_VarintBytes(len(m)) + m for m in messages)


(HERE / "serialized.tensors").write_bytes(record(MESSAGES))
(HERE / "delimited.tensors").write_bytes(delimited(MESSAGES))
(HERE / "one.tensors").write_bytes(record(MESSAGES[:1]))
(HERE / "make_tensor_proto.tensors").write_bytes(
    record([tf.make_tensor_proto(v).SerializeToString() for v in (7, [1.5, 2.5], ["x"], np.zeros([2, 2], np.int16))]))

good = record(MESSAGES)
N = len(MESSAGES[5])
flipped = bytearray(good)
flipped[20] ^= 1
length = bytearray(good)
length[0] ^= 1
BAD = {
    "concatenated": (b"".join(MESSAGES[:3]), "look like 3 TensorProtos written one after another without frames"),
    "concatenated_scalars": (MESSAGES[4] * 2, "each piece happens to begin with its dtype, at bytes 0, 7"),
    "unframed": (MESSAGES[0], "this is one TensorProto without a frame; read it with --from tensorproto"),
    "flipped": (bytes(flipped), f"record 0: its {len(MESSAGES[0])} bytes do not fit their checksum"),
    "length": (bytes(length), "neither TFRecord frames"),
    "cut": (good[:-3], f"record 5: {N} bytes and a checksum are announced, only {N + 1} bytes remain"),
    "cut_delimited": (delimited(MESSAGES)[:-3], f"record 5 announces {N} bytes, only {N - 3} remain"),
    "no_dtype": (record([b"\x12\x00"]), "record 0: the TensorProto has no dtype"),
}
for name, (data, sentence) in BAD.items():
    (HERE / "bad" / f"{name}.tensors").write_bytes(data)
    (HERE / "bad" / f"{name}.tensors.expected").write_text(sentence + "\n")
(HERE / "versions.txt").write_text(f"tensorflow {tf.__version__}\nnumpy {np.__version__}\nprotobuf {google.protobuf.__version__}\n")
