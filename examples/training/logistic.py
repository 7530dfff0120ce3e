"""Sparse logistic regression with Keras 3, on data that need not fit into memory, and without TensorFlow in the data's path.

    python examples/training/logistic.py
    python examples/training/logistic.py --rows 2000000 --columns 100000 --memory-limit 256 --export model

The files are streamed: shuffled through a buffer, batched to sparse tensors, and handed to fit(). Runs on any Keras backend; where
one has no sparse tensors (PyTorch), batches become dense, which Keras says once.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import clicks
import keras
import keras_export

options = clicks.arguments(__doc__)


def build(sparse):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((options.columns,), sparse=sparse, name="wide"), keras.layers.Dense(1, "sigmoid", name="click")])
    model.compile(keras.optimizers.SGD(0.5), "binary_crossentropy", metrics=[keras.metrics.AUC(name="auc")])
    return model


with clicks.files(options) as paths:
    ds = clicks.dataset(paths, batch=options.batch, columns=options.columns)
    model = build(sparse=keras.config.backend() != "torch")
    model.fit(ds.take(1).keras("click", features="wide"), verbose=0)  # what the framework itself takes comes first
    model = build(sparse=keras.config.backend() != "torch")
    with clicks.memory_limit(options.memory_limit):
        source = ds.keras("click", features="wide")
        history = model.fit(source, epochs=options.epochs, verbose=0).history
    for epoch, (loss, auc) in enumerate(zip(history["loss"], history["auc"])):
        print(f"epoch {epoch + 1}: loss {loss:.4f}, AUC {auc:.3f}")
    clicks.check_that_it_fell(history["loss"])

    if options.check:
        dense = build(sparse=False)
        for epoch in range(options.epochs):
            ds.set_epoch(epoch)
            for batch in ds:
                dense.train_on_batch(batch["wide"].to_numpy(), batch["click"].to_numpy())
        keras_export.compare(model, dense)
    if options.export:
        keras_export.export(model, options.export)
