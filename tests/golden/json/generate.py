"""Writes the JSON goldens: request bodies as clients of TensorFlow Serving send them, made with Python's json from TensorFlow's values, and
damaged ones under bad/. See versions.txt."""
import base64
import json
import pathlib
import sys

import numpy as np
import tensorflow as tf

HERE = pathlib.Path(__file__).parent


def save(name, value):
    (HERE / f"{name}.json").write_text(json.dumps(value))


def coo(x):
    return {"indices": x.indices.numpy().tolist(), "values": x.values.numpy().tolist(), "dense_shape": x.dense_shape.numpy().tolist()}


x = tf.sparse.from_dense(tf.constant([[0, 1.5, 0], [0, 0, -2.25]]))
r = tf.ragged.constant([[1, 2], [], [3]])
save("founding_question", {"sparse_input": {"indices": [[0, 0], [1, 2], [2, 3]], "values": [1, 2, 3], "dense_shape": [3, 4]}})
save("inputs", {"signature_name": "serving_default", "inputs": {"x": coo(x), "r": {"values": r.values.numpy().tolist(), "row_splits": r.row_splits.numpy().tolist()}}})
save("instances", {"instances": [{"x": coo(tf.sparse.from_dense(row)), "d": row.numpy().tolist()} for row in tf.sparse.to_dense(x)]})
save("rows", {"instances": np.arange(6.0).reshape(2, 3).tolist()})
save("numbers", {"f": [0.1, 1e-30, float("nan"), float("inf"), -float("inf")], "i": [-2**63, 2**63 - 1], "u": [2**64 - 1], "b": [True, False]})
save("strings", ["plain", "\u00e9\U0001f600", {"b64": base64.b64encode(b"\xff\x00").decode()}])
save("ragged_lists", r.to_list())
save("scalar", 2.5)

BAD = {
    "cut": ('{"x": [1, 2', "the JSON text ends here"),
    "null": ("[1, null]", "null is no value"),
    "mixed": ('[1, "a"]', "all values of a tensor are of one dtype"),
    "nesting": ("[[1], 2]", "all values must be nested alike"),
    "bounds": ('{"x": {"indices": [[0, 9]], "values": [1], "dense_shape": [3, 4]}}', "outside shape [3, 4]"),
    "twice": ('{"a": 1, "a": 2}', "stands twice"),
    "large": ("[1e999]", "too large for float32"),
    "b64": ('["a", {"b64": "*"}]', "not base64"),
    "deep": ("[" * 200, "nested deeper than 100"),
    "keys": ('{"x": {"indices": [[0]], "value": [1]}}', "spells no tensor"),
}
for name, (text, sentence) in BAD.items():
    (HERE / "bad" / f"{name}.json").write_text(text)
    (HERE / "bad" / f"{name}.json.expected").write_text(sentence + "\n")
(HERE / "versions.txt").write_text(f"python {sys.version.split()[0]}\ntensorflow {tf.__version__}\nnumpy {np.__version__}\n")
