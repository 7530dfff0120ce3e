"""A batch of a translation model's outputs (ragged tokens, lengths, scores, alignments, texts) as one file, and back.

    python examples/translations.py
"""

import tempfile
from pathlib import Path

import numpy as np

import tensorferry as ferry

# As a decoder leaves them: nested, of different lengths, of several dtypes. EagerTensors and torch tensors do as well as arrays.
outputs = {
    "tokens": [[417, 9007199254740993, 2], [55, 2]],  # int64: the second is an id that a float would spoil
    "lengths": np.array([3, 2], np.int32),
    "log_probs": np.array([-0.5, -1.25], np.float32),
    "alignment": [np.eye(3, 4, dtype=np.float16), np.eye(2, 6, dtype=np.float16)],
    "text": ["ein Satz", "zwei Sätze"],
    "beams": [{"score": -0.5, "text": "ein Satz"}, {"score": -0.75, "text": None}],
    "model": ("nmt", 4),
}

with tempfile.TemporaryDirectory() as folder:
    for name in ("batch.npz", "batch.safetensors", "batch.arrow"):
        path = Path(folder, name)
        ferry.save(path, outputs)

        # One TensorMap, whose names are paths. Only what is asked for is read.
        batch = ferry.load(path)
        assert batch["tokens"].dtype == "int64" and batch["tokens"].shape == (2, None)
        assert batch["alignment/1"].shape == (2, 6) and batch["alignment/1"].dtype == "float16"

        # The structure too: lists are lists, tuples tuples, None is None, numbers and strings are Python's.
        back = batch.nested()
        assert back["tokens"] == outputs["tokens"] and back["text"] == outputs["text"]
        assert back["beams"] == outputs["beams"] and back["model"] == outputs["model"]
        assert np.array_equal(back["alignment"][0].to_numpy(), outputs["alignment"][0])
        print(f"{name}: {path.stat().st_size} bytes")

    print(batch)

# Ragged rows are padded where a model wants them so, not in the file.
padded = batch["tokens"].to_dense(padding=0)
print(padded)
assert padded.to_numpy().tolist() == [[417, 9007199254740993, 2], [55, 2, 0]]
