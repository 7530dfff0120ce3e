"""A wide & deep model with Keras 3: a sparse input of many columns beside embeddings and a small network.

    python examples/training/wide_deep.py
    python examples/training/wide_deep.py --rows 2000000 --columns 100000 --memory-limit 256 --export model

The wide part is one kernel over the sparse columns; nothing of it is ever dense. Batches come from TFRecord files, shuffled through a
buffer, larger than the memory that training is allowed.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import clicks
import keras
import keras_export

options = clicks.arguments(__doc__)
FEATURES = ["wide", "fields", "numbers"]


def build(sparse):
    keras.utils.set_random_seed(1)
    wide = keras.Input((options.columns,), sparse=sparse, name="wide")
    fields = keras.Input((clicks.FIELDS,), dtype="int64", name="fields")
    numbers = keras.Input((clicks.NUMBERS,), name="numbers")
    embedded = keras.layers.Flatten()(keras.layers.Embedding(clicks.CATEGORIES, 4, name="embedding")(fields))
    deep = keras.layers.Concatenate()([embedded, numbers])
    deep = keras.layers.Dense(16, "relu", name="hidden")(deep)
    logits = keras.layers.Add()([keras.layers.Dense(1, use_bias=False, name="wide_part")(wide), keras.layers.Dense(1, name="deep_part")(deep)])
    model = keras.Model({"wide": wide, "fields": fields, "numbers": numbers}, keras.layers.Activation("sigmoid", name="click")(logits), name="wide_deep")
    model.compile(keras.optimizers.SGD(0.5), "binary_crossentropy", metrics=[keras.metrics.AUC(name="auc")])
    return model


with clicks.files(options) as paths:
    ds = clicks.dataset(paths, batch=options.batch, columns=options.columns)
    model = build(sparse=keras.config.backend() != "torch")
    model.fit(ds.take(1).keras("click", features=FEATURES), verbose=0)  # what the framework itself takes comes first
    model = build(sparse=keras.config.backend() != "torch")
    with clicks.memory_limit(options.memory_limit):
        history = model.fit(ds.keras("click", features=FEATURES), epochs=options.epochs, verbose=0).history
    for epoch, (loss, auc) in enumerate(zip(history["loss"], history["auc"])):
        print(f"epoch {epoch + 1}: loss {loss:.4f}, AUC {auc:.3f}")
    clicks.check_that_it_fell(history["loss"])

    if options.check:
        dense = build(sparse=False)
        for epoch in range(options.epochs):
            ds.set_epoch(epoch)
            for batch in ds:
                dense.train_on_batch({name: batch[name].to_numpy() for name in FEATURES}, batch["click"].to_numpy())
        keras_export.compare(model, dense)
    if options.export:
        keras_export.export(model, options.export)
