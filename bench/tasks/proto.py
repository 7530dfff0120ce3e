"""TensorProto from Python: small tensors (call overhead decides) and large ones (memory decides)."""
import numpy as np

from tasks.common import ferry as get_ferry, tensorflow


def rows(bench):
    if not bench.wants("serialize_tensor") and not bench.wants("parse_tensor"):
        return
    tf, ferry = tensorflow(), get_ferry()
    rng = np.random.default_rng(6)
    arrays = [rng.random(16, "f") for _ in range(1000)]
    tensors = [tf.constant(a) for a in arrays]
    encoded = [ferry.serialize_tensor(a) for a in arrays]
    encoded_tf = [tf.constant(e) for e in encoded]

    bench.row("serialize_tensor, 16 floats, 1000 distinct", lambda: [ferry.serialize_tensor(a) for a in arrays],
              {"TensorFlow": lambda: [tf.io.serialize_tensor(t) for t in tensors],
               "TensorFlow to bytes": lambda: [tf.io.serialize_tensor(t).numpy() for t in tensors]}, 1000,
              lambda a, b, _: all(x == (y if isinstance(y, bytes) else y.numpy()) for x, y in zip(a, b)), {"TensorFlow": 4}, "tensor")
    bench.row("parse_tensor, 16 floats, 1000 distinct", lambda: [ferry.parse_tensor(e) for e in encoded],
              {"TensorFlow": lambda: [tf.io.parse_tensor(e, tf.float32) for e in encoded_tf],
               "TensorFlow from bytes": lambda: [tf.io.parse_tensor(e, tf.float32) for e in encoded]}, 1000,
              lambda a, b, _: all(np.array_equal(np.asarray(x), y.numpy()) for x, y in zip(a, b)), {"TensorFlow": 4}, "tensor")

    big = rng.random(1 << 22, "f")
    big_tf, big_bytes = tf.constant(big), ferry.serialize_tensor(big)
    big_bytes_tf = tf.constant(big_bytes)
    bench.row("serialize_tensor, 16 MiB", lambda: ferry.serialize_tensor(big), {"TensorFlow": lambda: tf.io.serialize_tensor(big_tf)}, big.size,
              lambda a, b, _: a == b.numpy(), {"TensorFlow": 1}, "elem", big.nbytes)
    bench.row("parse_tensor, 16 MiB (ours is a view)", lambda: ferry.parse_tensor(big_bytes),
              {"TensorFlow": lambda: tf.io.parse_tensor(big_bytes_tf, tf.float32)}, big.size,
              lambda a, b, _: np.array_equal(np.asarray(a), b.numpy()), {"TensorFlow": 100}, "elem")
