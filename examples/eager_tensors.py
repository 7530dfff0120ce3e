"""EagerTensors of a model's predictions to bytes and back, by npy, by protobuf, by Arrow and by safetensors.

Values, shape and dtype are kept by each, exactly; names, devices and further notes where the format has room for metadata.

    python examples/eager_tensors.py
"""

import numpy as np
import pyarrow as pa
import tensorflow as tf
from safetensors.numpy import load as load_safetensors

import tensorferry as ferry

with tf.device("CPU:0"):
    ids = tf.constant([[417, 16_777_217, 2], [55, 2, 0]], tf.int64)  # 2^24 + 1: a float would lose it
    scores = tf.cast(tf.constant([-0.5, -1.25]), tf.bfloat16)


def same(tensor, eager):
    return tensor.dtype == eager.dtype.name and tensor.shape == tuple(eager.shape) and np.array_equal(tensor.to_numpy(), eager.numpy())


# npy: shape and dtype stand in its header, so there is no second file of pickled metadata to lose. NumPy reads it.
blob = ferry.dumps(ids, "npy")
assert same(ferry.loads(blob), ids)
print("npy:", len(blob), "bytes")

# npz: several, with what one wants to know of each besides.
blob = ferry.dumps({"ids": ids, "scores": scores}, "npz", metadata={"device", "framework"})
back = ferry.loads(blob)
print("npz:", back.tensor_metadata["ids"])
assert same(back["ids"], ids) and same(back["scores"], scores)
assert back.tensor_metadata["ids"]["device"].endswith("CPU:0") and back.tensor_metadata["scores"]["framework"] == "tensorflow"

# protobuf: message TensorData {repeated float data = 1; repeated int64 shape = 2; string dtype = 3;} as people define it. The ids do not
# fit floats, so their exact bytes travel in a field of ours, which old readers pass over.
blob = ferry.dumps(ids, "tensordata")
assert same(ferry.loads(blob, "tensordata"), ids)
print("tensordata:", len(blob), "bytes")

# Arrow: a table's column, which pyarrow, polars and duckdb take; tensors share the memory with it.
blob = ferry.dumps({"ids": ids}, "arrow")
column = pa.ipc.open_file(blob).read_all()["ids"].combine_chunks()
assert column.to_numpy_ndarray().tolist() == ids.numpy().tolist()
assert same(ferry.loads(blob)["ids"], ids) and same(ferry.from_arrow(column), ids)
print("arrow:", column.type)

# safetensors: what model hubs use; the safetensors library reads ours.
blob = ferry.dumps({"ids": ids, "scores": tf.cast(scores, tf.float32)}, "safetensors")
assert np.array_equal(load_safetensors(blob)["ids"], ids.numpy())
assert same(ferry.loads(blob)["ids"], ids)
print("safetensors:", len(blob), "bytes")

# Back into TensorFlow.
again = ferry.loads(blob)["ids"].to_tf()
assert again.dtype == tf.int64 and bool(tf.reduce_all(again == ids))
