"""How do I generate a sparse tensor for Keras training? From pairs, from an array, from a generator: each in a line."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import numpy as np
import pytest
import tensorflow as tf

import tensorferry as ferry

keras = pytest.importorskip("keras")

PAIRS = {(2, 0): 5.0, (0, 3): 1.0, (0, 1): 2.0}
LABELS = np.array([0.0, 1.0, 0.0], np.float32)


def trains(source, columns=4, **keywords):
    model = keras.Sequential([keras.Input((columns,), sparse=True), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(source, epochs=3, verbose=0, **keywords).history["loss"]
    assert history[-1] < history[0]
    return model


def rows_of(dataset):
    return np.concatenate([tf.sparse.to_dense(x).numpy() for x, _ in dataset.tf("y")])  # to_dense refuses what is not sorted


def test_from_a_dict_of_pairs():
    ds = ferry.SparseDataset.from_pairs(PAIRS, shape=(3, 4), labels=LABELS).batch(2)
    trains(ds.keras("y"))
    assert ds.tf("y").element_spec == (tf.SparseTensorSpec([None, 4], tf.float64), tf.TensorSpec([None], tf.float32))
    np.testing.assert_array_equal(rows_of(ds), [[0, 2, 0, 1], [0, 0, 0, 0], [5, 0, 0, 0]])


def test_from_a_numpy_array():
    array = np.array([[0, 2, 0, 1], [0, 0, 0, 0], [5, 0, 0, 0]], np.float32)
    ds = ferry.dataset({"x": ferry.from_dense(array), "y": LABELS}).batch(2)
    trains(ds.keras("y"))
    np.testing.assert_array_equal(rows_of(ds), array)


def test_from_a_generator_of_rows():
    made = []

    def rows():
        for i in range(10_000):
            made.append(i)
            yield {(i * 7) % 1000: 1.0, i % 10: 2.0}, float(i % 2)

    ds = ferry.SparseDataset.from_generator(rows, 1000, label_dtype="float32").batch(256)
    trains(ds.keras("y"), 1000, steps_per_epoch=4)
    made.clear()
    for x, y in ds.tf("y").take(1):
        assert x.shape == (256, 1000) and y.shape == (256,)
        tf.debugging.assert_equal(tf.sparse.reorder(x).indices, x.indices)
    assert len(made) < 5000  # they are made as they are needed


def test_from_a_generator_of_sparse_tensors_as_people_have_it():
    def make():
        for i in range(6):
            yield tf.sparse.SparseTensor([[1, 3], [0, i % 4]], [1.0, 2.0], [2, 4]), tf.constant([0.0, 1.0])

    trains(ferry.Batches(make).keras())
    trains(ferry.Batches(make).tf())


def test_what_is_wrong_is_told_before_training():
    with pytest.raises(ferry.Error, match="outside"):
        ferry.SparseDataset.from_pairs({(0, 4): 1.0}, shape=(3, 4))
    with pytest.raises(ferry.Error):
        ferry.SparseDataset.from_pairs([((0, 1), 1.0), ((0, 1), 2.0)], shape=(3, 4))
    with pytest.raises(ferry.Error, match="5"):
        list(ferry.SparseDataset.from_generator([{5: 1.0}], 4).batch(1))


def test_rows_that_were_not_batched_go_through_tf_data():
    ds = ferry.SparseDataset.from_pairs(PAIRS, shape=(3, 4), labels=LABELS)
    rows = ds.tf("y")
    assert rows.element_spec == (tf.SparseTensorSpec([4], tf.float64), tf.TensorSpec([], tf.float32))
    assert [tf.sparse.to_dense(x).numpy().tolist() for x, _ in rows] == [[0, 2, 0, 1], [0, 0, 0, 0], [5, 0, 0, 0]]
    trains(rows.batch(2))
