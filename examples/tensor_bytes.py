"""Tensors as raw bytes: one, a sparse one, and many of different sizes in one byte string. No framework is needed.

    python examples/tensor_bytes.py
"""

import numpy as np

import tensorferry as ferry

# One tensor. The bytes are those of tf.io.serialize_tensor; the dtype is read from them, nobody has to know it.
image = np.arange(6, dtype=np.float16).reshape(2, 3)
blob = ferry.serialize_tensor(image)
back = ferry.parse_tensor(blob)
print(len(blob), "bytes:", back)
assert back.dtype == "float16" and np.array_equal(back.to_numpy(), image)

# A sparse one: the three strings of tf.io.serialize_sparse, and a batch of rows as serialize_many_sparse gives it.
x = ferry.SparseTensor.from_pairs({(0, 1): 2.0, (2, 0): 5.0}, shape=(3, 4))
parts = ferry.serialize_sparse(x)
assert ferry.deserialize_sparse(parts) == x
rows = ferry.serialize_many_sparse(x)
assert ferry.deserialize_many_sparse(rows).to_numpy().tolist() == x.to_numpy().tolist()
print("sparse:", len(parts), "strings;", len(rows), "rows")

# Tensors of different sizes, joined: what people try first, and what cannot be undone. Protobuf messages have no end mark:
# read as one message, the axes of all add up and the last dtype wins.
tensors = [np.array([1, 2, 3], np.int64), np.ones((2, 2), np.float32), np.array(["a", "bc"]), np.zeros(0, np.uint8)]
joined = b"".join(bytes(ferry.serialize_tensor(t)) for t in tensors)
for format in ("tensorproto", "tensors"):
    try:
        ferry.loads(joined, format)
    except ferry.Error as error:
        print(f"joined, as {format}: {error}")
    else:
        raise AssertionError("joined strings were taken for a tensor")

# In frames each keeps its size, shape and dtype: TFRecord (for tf.data.TFRecordDataset) or varint lengths.
for framing in ("tfrecord", "varint"):
    stream = ferry.dumps(tensors, "tensors", framing=framing)
    several = ferry.loads(stream)
    assert list(several) == ["0", "1", "2", "3"] and several["0"].dtype == "int64" and several["3"].shape == (0,)
    for tensor, wanted in zip(several.nested(), tensors):
        assert tensor.shape == wanted.shape and tensor.tolist() == ferry.as_tensor(wanted).tolist()
    print(f"{framing}: {len(stream)} bytes,", several)

# With names and sparse tensors among them.
stream = ferry.dumps({"image": image, "x": x, "words": ["a", "bc"]}, "tensors")
assert ferry.loads(stream)["x"] == x and list(ferry.loads(stream)) == ["image", "x", "words"]

# Which format is smallest for this data? `ferry bench FILE` tells it for every format, with the speed and a recommendation.
data = {"x": ferry.SparseTensor.from_dense(np.eye(1000, dtype=np.float32))}
for format in ("tensors", "npz", "safetensors", "arrow", "json"):
    blob = ferry.dumps(data, format)
    assert ferry.loads(blob)["x"] == data["x"]
    print(f"{format:12} {len(blob):7,} bytes")
