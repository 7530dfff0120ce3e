"""Run by test_adapters_keras.py under each KERAS_BACKEND: trains, and prints what it saw as one line of JSON."""

import json
import sys
import warnings

sys.modules["triton"] = None

import keras
import numpy as np
import scipy.sparse as sp

import tensorferry as ferry

BACKEND = keras.config.backend()
SPARSE = BACKEND != "torch"
COLUMNS = 30
truth = np.random.default_rng(0).normal(size=COLUMNS).astype(np.float32)


def batches():
    rng = np.random.default_rng(1)
    for rows in (16, 16, 16, 16, 5):
        x = sp.random_array((rows, COLUMNS), density=rng.uniform(0.2, 0.25), rng=rng, format="coo", dtype=np.float32)
        order = rng.permutation(x.nnz)
        yield sp.coo_array((x.data[order], (x.row[order], x.col[order])), x.shape), (x @ truth > 0).astype(np.float32)


X = [x.toarray() for x, _ in batches()]
Y = [y for _, y in batches()]


class Dense(keras.utils.PyDataset):
    """The same batches, dense."""

    def __init__(self, make):
        super().__init__()
        self.batches = list(make())

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, i):
        return self.batches[i]


def model(sparse):
    keras.utils.set_random_seed(1)
    out = keras.Sequential([keras.Input((COLUMNS,), sparse=sparse), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1, "sigmoid")])
    out.compile(keras.optimizers.SGD(1.0), "binary_crossentropy")
    return out


def flat(m):
    return [float(v) for w in m.get_weights() for v in np.ravel(w)]


out = {"backend": BACKEND}
ds = ferry.Batches(batches)

with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    a = model(SPARSE)
    history = a.fit(ds.keras(), epochs=4, verbose=0, validation_data=ds.keras()).history
    out["loss"], out["validation"] = history["loss"], history["val_loss"][-1]
    out["evaluate"] = a.evaluate(ds.keras(), verbose=0)
    out["predict"] = a.predict(ds.keras(), verbose=0).ravel().tolist()
    out["weights"] = flat(a)
    rows = ferry.RaggedTensor.from_lists([[1], [2, 3]], dtype="int32")
    source = ferry.Batches([{"s": ferry.from_dense(np.eye(2, dtype=np.float32)), "r": rows}]).keras()
    x = source[0]
    ferry.Batches([{"s": ferry.from_dense(np.eye(2)), "r": rows}]).keras()  # nothing is said twice
    x_first = next(iter(ds.keras()))[0]
out["ran_out"] = sum("ran out of data" in str(w.message) for w in seen)
out["warnings"] = [str(w.message) for w in seen if "densify" in str(w.message)]
out["kinds"] = [type(x["s"]).__name__, type(x["r"]).__name__]
if SPARSE:
    indices = np.asarray(x_first.indices).tolist()
    out["sorted"] = indices == sorted(indices) and (BACKEND == "jax" or x_first.indices.dtype.name == "int64")
else:
    out["sorted"] = bool((x_first.cpu().numpy() == X[0]).all())

with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    model(SPARSE).fit(ds.keras(), epochs=3, steps_per_epoch=4, verbose=0)
out["ran_out_of_steps"] = sum("ran out of data" in str(w.message) for w in seen)

dense = Dense(lambda: zip(X, Y))
b = model(False)
history = b.fit(dense, epochs=4, verbose=0, shuffle=False).history
out["dense_loss"], out["dense_weights"] = history["loss"], flat(b)
out["dense_evaluate"] = b.evaluate(dense, verbose=0)
out["dense_predict"] = b.predict(dense, verbose=0).ravel().tolist()


# Two inputs by name, weights of rows, weights of classes.
def named():
    for i, (x, y) in enumerate(batches()):
        yield {"wide": x, "number": np.full((len(y), 2), i / 5, np.float32), "unused": y}, y, np.linspace(0, 1, len(y), dtype=np.float32)


def two(sparse):
    keras.utils.set_random_seed(2)
    wide, number = keras.Input((COLUMNS,), sparse=sparse, name="wide"), keras.Input((2,), name="number")
    both = keras.layers.Add()([keras.layers.Dense(3)(wide), keras.layers.Dense(3)(number)])
    out = keras.Model({"wide": wide, "number": number}, keras.layers.Dense(1, "sigmoid")(both))
    out.compile(keras.optimizers.SGD(0.1), "binary_crossentropy")
    return out


classes = {0: 0.25, 1: 2.0}
names = ferry.Batches(named)
features = ["wide", "number"]
out["weighted"] = two(SPARSE).fit(names.keras("label", "weight", features=features), epochs=2, verbose=0).history["loss"]
out["class_weighted"] = two(SPARSE).fit(names.keras("label", features=features, class_weight=classes), epochs=2, verbose=0).history["loss"]
plain = [({"wide": x.toarray(), "number": b["number"]}, y, w) for (x, _), (b, y, w) in zip(batches(), named())]
out["dense_weighted"] = two(False).fit(Dense(lambda: plain), epochs=2, verbose=0, shuffle=False).history["loss"]
unweighted = Dense(lambda: [(x, y) for x, y, _ in plain])
out["dense_class_weighted"] = two(False).fit(unweighted, epochs=2, verbose=0, shuffle=False, class_weight=classes).history["loss"]

# What is refused.
out["errors"] = {}
for name, value in {"class_weight": classes, "sample_weight": np.ones(5), "y": np.ones(5)}.items():
    try:
        model(SPARSE).fit(ds.keras(), verbose=0, **{name: value})
    except ValueError as error:
        out["errors"][name] = str(error)
out["refused"] = []
for kind in ("s", "r"):
    try:
        ferry.Batches([{"s": ferry.from_dense(np.eye(2)), "r": rows}]).keras(features=kind, densify=False)
    except ferry.Error as error:
        out["refused"].append({"s": "sparse", "r": "ragged"}[kind])
        assert error.code == "unsupported"
out["strings"] = None
try:
    ferry.Batches([["a", "b"]]).keras()
except ferry.Error as error:
    out["strings"] = error.code


def damaged():
    yield next(batches())
    raise ferry.Error("record 7 is damaged", "data_loss", 12, "a.tfrecord")


try:
    a.fit(ferry.Batches(damaged).keras(), verbose=0)
except Exception as error:
    out["damaged"] = [type(error).__name__, str(error)]

# Shuffled epochs, which are the same whatever the backend.
seen = []


def look(batch):
    seen.append(batch["y"].to_numpy().tolist())
    return batch


plain = ferry.SparseDataset.from_scipy(sp.csr_array(np.eye(12, COLUMNS, dtype=np.float32)), labels=np.arange(12, dtype=np.float32) / 12).shuffle(seed=1).batch(4)
model(SPARSE).fit(plain.map(look).keras("y"), epochs=2, verbose=0)
out["epochs"] = seen[-6:] == [batch["y"].to_numpy().tolist() for _ in range(2) for batch in plain]

if BACKEND == "jax":
    several = [ferry.from_dense((np.arange(200).reshape(10, 20) < n).astype(np.float32)) for n in range(100, 128)]
    found = list(ferry.Batches(several).keras())
    out["sizes"], out["different"] = len({x.nse for x in found}), len({x.nnz for x in several})
    for x, bcoo in zip(several, found):
        assert (np.asarray(bcoo.todense()) == x.to_numpy()).all() and ferry.as_tensor(bcoo) == x

print(json.dumps(out))
