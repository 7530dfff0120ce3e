"""The wide & deep model with tf.data and plain TensorFlow, no Keras: tf.Variables, a GradientTape, gradient descent.

    python examples/training/tensorflow_wide_deep.py
    python examples/training/tensorflow_wide_deep.py --rows 2000000 --columns 100000 --memory-limit 256 --export model

ds.tf() is a tf.data.Dataset of SparseTensors with an exact signature; the training step is traced once for all batches.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import clicks
import numpy as np
import tensorflow as tf

options = clicks.arguments(__doc__)
FEATURES = ["wide", "fields", "numbers"]
RATE = 0.5


class WideDeep(tf.Module):
    def __init__(self, columns):
        super().__init__(name="wide_deep")
        random = tf.random.Generator.from_seed(1)
        width = clicks.FIELDS * 4 + clicks.NUMBERS
        self.wide = tf.Variable(tf.zeros([columns, 1]), name="wide")
        self.embedding = tf.Variable(random.uniform([clicks.CATEGORIES, 4], -0.05, 0.05), name="embedding")
        self.hidden = tf.Variable(random.uniform([width, 16], -0.3, 0.3), name="hidden")
        self.hidden_bias = tf.Variable(tf.zeros([16]), name="hidden_bias")
        self.out = tf.Variable(random.uniform([16, 1], -0.3, 0.3), name="out")
        self.bias = tf.Variable(tf.zeros([1]), name="bias")

    def logits(self, wide, fields, numbers):
        if isinstance(wide, tf.SparseTensor):
            wide = tf.sparse.sparse_dense_matmul(wide, self.wide)
        else:
            wide = wide @ self.wide
        embedded = tf.reshape(tf.gather(self.embedding, fields), [-1, clicks.FIELDS * 4])
        hidden = tf.nn.relu(tf.concat([embedded, numbers], 1) @ self.hidden + self.hidden_bias)
        return (wide + hidden @ self.out + self.bias)[:, 0]

    def step(self, x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(y, self.logits(**x)))
        for variable, gradient in zip(self.trainable_variables, tape.gradient(loss, self.trainable_variables)):
            if isinstance(gradient, tf.IndexedSlices):
                variable.scatter_sub(tf.IndexedSlices(RATE * gradient.values, gradient.indices))
            else:
                variable.assign_sub(RATE * gradient)
        return loss


def train(model, dataset, epochs):
    step = tf.function(model.step, input_signature=dataset.element_spec)
    return [float(np.mean([step(x, y).numpy() for x, y in dataset])) for _ in range(epochs)]


def export(model, folder, columns):
    """A SavedModel with a sparse input, and a checkpoint with the number of epochs beside the variables."""
    specs = {
        "wide": tf.SparseTensorSpec([None, columns], tf.float32),
        "fields": tf.TensorSpec([None, clicks.FIELDS], tf.int64, name="fields"),
        "numbers": tf.TensorSpec([None, clicks.NUMBERS], tf.float32, name="numbers"),
    }
    serve = tf.function(lambda **x: {"click": tf.sigmoid(model.logits(**x))})
    folder.mkdir(parents=True, exist_ok=True)
    tf.saved_model.save(model, str(folder / "saved_model"), signatures=serve.get_concrete_function(**specs))
    tf.train.Checkpoint(model=model, epochs=tf.Variable(options.epochs, dtype=tf.int64)).write(str(folder / "checkpoint"))
    print("written:", ", ".join(sorted(path.name for path in folder.iterdir())))


with clicks.files(options) as paths:
    ds = clicks.dataset(paths, batch=options.batch, columns=options.columns)
    train(WideDeep(options.columns), ds.take(1).tf("click", features=FEATURES), 1)  # what the framework itself takes comes first
    model = WideDeep(options.columns)
    with clicks.memory_limit(options.memory_limit):
        losses = train(model, ds.tf("click", features=FEATURES, prefetch=2), options.epochs)
    for epoch, loss in enumerate(losses):
        print(f"epoch {epoch + 1}: loss {loss:.4f}")
    clicks.check_that_it_fell(losses)

    if options.check:
        dense = WideDeep(options.columns)
        for epoch in range(options.epochs):
            ds.set_epoch(epoch)
            for batch in ds:
                dense.step({name: tf.constant(batch[name].to_numpy()) for name in FEATURES}, tf.constant(batch["click"].to_numpy()))
        worst = max(float(tf.reduce_max(tf.abs(a - b))) for a, b in zip(model.variables, dense.variables))
        print(f"trained on the same batches made dense: weights differ by at most {worst:.1e}")
        assert worst < 1e-4
    if options.export:
        export(model, options.export, options.columns)
