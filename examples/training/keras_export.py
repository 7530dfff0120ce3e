"""What the Keras examples do with a model when it is trained: compare it with one trained on dense batches, and write it down."""

import keras
import numpy as np


def compare(model, dense, tolerance=1e-4):
    """Raises where the weights of the two differ."""
    worst = 0.0
    for a, b in zip(model.weights, dense.weights, strict=True):
        a, b = keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b)
        worst = max(worst, float(np.abs(a - b).max()))
    print(f"trained on the same batches made dense: weights differ by at most {worst:.1e}")
    assert worst < tolerance


def export(model, folder):
    """model.keras and model.weights.h5; with TensorFlow besides a SavedModel that is served with a sparse input, and a checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "model.keras")
    model.save_weights(folder / "model.weights.h5")
    if keras.config.backend() == "tensorflow":
        export_tensorflow(model, folder)
    print("written:", ", ".join(sorted(path.name for path in folder.iterdir())))


def export_tensorflow(model, folder):
    """Keras' own model.export() signs a sparse input as a dense one; the signature is therefore written here."""
    import tensorflow as tf

    specs = {
        x.name: tf.SparseTensorSpec([None, *x.shape[1:]], x.dtype) if x.sparse else tf.TensorSpec([None, *x.shape[1:]], x.dtype, name=x.name)
        for x in model.inputs
    }

    @tf.function
    def serve(**given):
        return {"click": model(given if len(given) > 1 else next(iter(given.values())), training=False)}

    tf.saved_model.save(model, str(folder / "saved_model"), signatures=serve.get_concrete_function(**specs))
    tf.train.Checkpoint(model=model, optimizer=model.optimizer).write(str(folder / "checkpoint"))
