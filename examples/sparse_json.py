"""Sparse tensors as JSON: the body that people post to a model server, read and written without taking tensors apart.

    python examples/sparse_json.py        (the part on the command line runs where `ferry` is on the PATH)
"""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

import tensorferry as ferry

body = {"sparse_input": {"indices": [[0, 0], [1, 2], [2, 3]], "values": [1, 2, 3], "dense_shape": [3, 4]}}
wanted = [[1, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 3]]

# The JSON as it stands is a sparse tensor; nothing is made dense to get there.
x = ferry.loads(json.dumps(body).encode())["sparse_input"]
print(x)
assert (x.layout, x.dtype, x.shape, x.nnz) == ("coo", "int64", (3, 4), 3)
assert x.to_numpy().tolist() == wanted

# So is the Python dict, and back.
assert ferry.flatten(body)["sparse_input"] == x
assert json.loads(ferry.dumps(body, "json")) == body

# Values are often written as ints where the model wants floats: say so once.
assert x.astype("float32").dtype == np.float32

# Several tensors under several keys, sparse beside dense and ragged.
request = {"inputs": {**body, "weights": [0.5, 0.25], "tokens": {"values": [7, 8, 9], "row_splits": [0, 2, 3]}}}
tensors = ferry.loads(json.dumps(request).encode())
print(tensors)
assert list(tensors) == ["sparse_input", "weights", "tokens"] and tensors["sparse_input"] == x
assert tensors["tokens"].tolist() == [[7, 8], [9]]

# In row form each row is one example without the batch axis; rows need not have as many entries.
rows = {"instances": [{"sparse_input": {"indices": [[0]], "values": [1.5], "dense_shape": [4]}},
                      {"sparse_input": {"indices": [[1], [3]], "values": [2.5, 3.5], "dense_shape": [4]}}]}  # fmt: skip
batch = ferry.loads(json.dumps(rows).encode())["sparse_input"]
print(batch)
assert batch.to_numpy().tolist() == [[1.5, 0, 0, 0], [0, 2.5, 0, 3.5]]

# The body of a request from what one has: plain=True writes what a server understands, and no more.
text = ferry.dumps({"sparse_input": ferry.SparseTensor.from_pairs({(0, 1): 2.0, (2, 0): 5.0}, shape=(3, 4))}, "json", plain=True)
print(text.decode())
assert json.loads(text)["sparse_input"]["indices"] == [[0, 1], [2, 0]]

# On the command line: the same file to what SciPy, NumPy, TensorFlow or a spreadsheet reads.
if shutil.which("ferry"):
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "body.json"), Path(folder, "body.npz")
        source.write_text(json.dumps(body))
        subprocess.run(["ferry", "convert", source, target], check=True)
        print(subprocess.run(["ferry", "cat", target], check=True, capture_output=True, text=True).stdout)
        assert ferry.load(target)["sparse_input"] == x
