"""The same bytes as TensorFlow's own, in both directions: serialize_tensor, serialize_sparse, TFRecords of tensors.

    python examples/tensorflow_bytes.py
"""

import tempfile
from pathlib import Path

import tensorflow as tf

import tensorferry as ferry

x = tf.constant([[1.5, 2.5], [3.5, 4.5]])
sparse = tf.sparse.from_dense([[0.0, 2.0], [5.0, 0.0]])

# Equal bytes, either way round. tf.io.parse_tensor must be told the dtype; ferry.parse_tensor reads it.
blob = tf.io.serialize_tensor(x).numpy()
assert ferry.serialize_tensor(x) == blob
assert ferry.parse_tensor(blob).dtype == "float32"
assert tf.reduce_all(tf.io.parse_tensor(ferry.serialize_tensor(x), tf.float32) == x)
print("serialize_tensor:", len(blob), "bytes, the same")

strings = tf.io.serialize_sparse(sparse).numpy()
assert list(ferry.serialize_sparse(sparse)) == list(strings)
assert ferry.deserialize_sparse(strings) == ferry.as_tensor(sparse)
print("serialize_sparse:", [len(s) for s in strings], "bytes, the same")

rows = tf.io.serialize_many_sparse(sparse)
back = ferry.deserialize_many_sparse(rows.numpy())
assert back.to_numpy().tolist() == tf.sparse.to_dense(tf.io.deserialize_many_sparse(rows, tf.float32)).numpy().tolist()
print("serialize_many_sparse:", back)

# Joined strings: TensorFlow reads something, without a word, and it is not what went in. We say so.
joined = tf.io.serialize_tensor(1.0).numpy() + tf.io.serialize_tensor(2.0).numpy()
print("tf.io.parse_tensor of two joined scalars:", tf.io.parse_tensor(joined, tf.float32).numpy())
try:
    ferry.loads(joined, "tensorproto")
except ferry.Error as error:
    print("ferry:", error)

# In frames they are a TFRecord file, which tf.data reads.
tensors = [tf.constant([1, 2, 3]), tf.zeros((0, 2), tf.int32), tf.constant([[7]])]
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "several.tensors")
    ferry.save(path, tensors)
    read = [tf.io.parse_tensor(record, tf.int32) for record in tf.data.TFRecordDataset(str(path))][: len(tensors)]
    assert all(a.shape == b.shape and tf.reduce_all(a == b) for a, b in zip(read, tensors))
    print("TFRecordDataset:", [tuple(t.shape) for t in read])

    # And the other way: records that TensorFlow wrote.
    with tf.io.TFRecordWriter(str(path)) as writer:
        for tensor in tensors:
            writer.write(tf.io.serialize_tensor(tensor).numpy())
    assert [t.tolist() for t in ferry.load(path, "tensors").values()] == [t.numpy().tolist() for t in tensors]
