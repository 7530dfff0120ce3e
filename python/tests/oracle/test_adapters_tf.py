"""ds.tf(): a tf.data.Dataset whose signature says just what the batches are."""

import numpy as np
import pytest
import scipy.sparse as sp
import tensorflow as tf

import tensorferry as ferry

NUMBERS = "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 bfloat16 float32 float64 complex64 complex128 qint8 quint8 qint16 quint16 qint32".split()


def csr(rows, seed=0, columns=10):
    return sp.random_array((rows, columns), density=0.3, rng=np.random.default_rng(seed), format="csr", dtype=np.float32)


def batch(rows, seed=0):
    unsorted = np.array([[rows - 1, 0, 1], [0, 2, 1], [0, 2, 0]])
    return {
        "wide": csr(rows, seed),
        "cube": ferry.SparseTensor(unsorted, np.array([1, 2, 3], np.int32), (rows, 3, 2)),
        "words": ferry.SparseTensor(np.array([[0, 1]]), np.array([b"a\0"], object), (rows, 4)),
        "ids": ferry.RaggedTensor.from_lists([list(range(i % 3)) for i in range(rows)], dtype="int64"),
        "deep": ferry.RaggedTensor.from_lists([[[1.0, 2.0], []]] * rows),
        "inner": ferry.RaggedTensor(np.zeros((2 * rows, 5), np.float32), np.arange(rows + 1) * 2),
        "text": np.array([b"x\0", b"yy"] * rows, object)[:rows],
        "image": np.full((rows, 2, 3), seed, np.uint8),
        "y": np.arange(rows, dtype=np.float32),
        "w": np.ones(rows, np.float32),
    }


SIGNATURE = (
    {
        "wide": tf.SparseTensorSpec([None, 10], tf.float32),
        "cube": tf.SparseTensorSpec([None, 3, 2], tf.int32),
        "words": tf.SparseTensorSpec([None, 4], tf.string),
        "ids": tf.RaggedTensorSpec([None, None], tf.int64, 1, tf.int64),
        "deep": tf.RaggedTensorSpec([None, None, None], tf.float64, 2, tf.int64),
        "inner": tf.RaggedTensorSpec([None, None, 5], tf.float32, 1, tf.int64),
        "text": tf.TensorSpec([None], tf.string),
        "image": tf.TensorSpec([None, 2, 3], tf.uint8),
    },
    tf.TensorSpec([None], tf.float32),
    tf.TensorSpec([None], tf.float32),
)


def test_signature_is_exact_and_values_are_the_same():
    batches = [batch(4, 1), batch(4, 2), batch(3, 3)]
    ds = ferry.Batches(lambda: iter(batches)).tf("y", "w")
    assert ds.element_spec == SIGNATURE
    for _ in range(2):  # each pass begins anew
        seen = list(ds)
        assert len(seen) == 3
        for (x, y, w), expected in zip(seen, batches):
            assert tf.nest.map_structure(lambda spec, value: spec.is_compatible_with(value), SIGNATURE, (x, y, w), expand_composites=False)
            for name, tensor in {**x, "y": y, "w": w}.items():
                ours = ferry.as_tensor(expected[name])
                ours = ours.sort() if isinstance(ours, ferry.SparseTensor) else ours
                assert ferry.as_tensor(tensor) == ours, name


def test_indices_are_sorted_int64():
    (found,) = ferry.Batches([batch(4)]).tf()
    for name in ("wide", "cube", "words"):
        indices = found[name].indices
        assert indices.dtype == tf.int64
        assert indices.numpy().tolist() == sorted(indices.numpy().tolist())
        tf.debugging.assert_equal(tf.sparse.reorder(found[name]).values, found[name].values)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_every_element_type(dtype):
    plain = dtype.removeprefix("q") if dtype.startswith("q") else dtype
    values = ferry.DenseTensor(np.array([1, 0, 1]), plain) if not dtype.startswith("q") else ferry.DenseTensor(np.array([1, 0, 1], plain), dtype)
    (found,) = ferry.Batches([{"dense": values, "ragged": ferry.RaggedTensor(values, np.array([0, 1, 3]))}]).tf()
    assert found["dense"].dtype.name == found["ragged"].dtype.name == dtype
    assert ferry.as_tensor(found["dense"]) == values


def test_known_lengths_stand_in_the_graph():
    spec = [
        ferry.ElementSpec("s", "coo", "float32", (8, 5)),
        ferry.ElementSpec("r", "ragged", "int64", (8, None, 3)),
        ferry.ElementSpec("d", "dense", "float32", (8, 2)),
        ferry.ElementSpec("scalar", "dense", "float32", ()),
    ]
    ds = ferry.Batches([], element_spec=spec).tf()
    assert ds.element_spec == {
        "s": tf.SparseTensorSpec([8, 5], tf.float32),
        "r": tf.RaggedTensorSpec([8, None, 3], tf.int64, 1, tf.int64),
        "d": tf.TensorSpec([8, 2], tf.float32),
        "scalar": tf.TensorSpec([], tf.float32),
    }
    assert list(ds) == []


def test_a_list_of_batches_has_a_cardinality_and_a_function_has_none():
    assert ferry.Batches([csr(2)] * 5).tf().cardinality().numpy() == 5
    assert ferry.Batches(lambda: iter([csr(2)] * 5)).tf().cardinality() == tf.data.UNKNOWN_CARDINALITY


def test_a_dataset_that_leaves_damage_out_promises_no_cardinality():
    ds = ferry.dataset({"x": np.arange(10)}).batch(4)
    assert ds.tf().cardinality().numpy() == 3
    assert ds.with_options(on_error="skip").tf().cardinality() == tf.data.UNKNOWN_CARDINALITY
    assert ds.repeat().tf().cardinality() == tf.data.UNKNOWN_CARDINALITY


def test_batches_without_rows_or_entries():
    empty = {"s": sp.csr_array((0, 3), dtype=np.float32), "r": ferry.RaggedTensor(np.zeros(0), [0]), "d": np.zeros((0, 2))}
    none = {"s": sp.csr_array((2, 3), dtype=np.float32), "r": ferry.RaggedTensor(np.zeros(0), [0, 0, 0]), "d": np.zeros((2, 2))}
    found = list(ferry.Batches([empty, none]).tf())
    assert [b["s"].dense_shape.numpy().tolist() for b in found] == [[0, 3], [2, 3]]
    assert [b["r"].shape[0] for b in found] == [0, 2]


def test_memory_of_the_source_is_never_written_to():
    values = np.ones(1 << 16, np.float32)
    ds = ferry.Batches([ferry.DenseTensor(values)] * 3).tf(features="x").map(lambda x: tf.nn.relu(x * 2) + 1)
    for out in ds:
        assert out[0] == 3
    assert (values == 1).all()


def test_a_pass_that_is_given_up_closes_the_source():
    closed = []

    def make():
        try:
            for i in range(100):
                yield csr(2, i)
        finally:
            closed.append(1)

    source = ferry.Batches(make)
    ds = source.tf()
    closed.clear()
    for _ in ds.take(3):
        pass
    assert closed == [1]


@pytest.mark.parametrize(
    "error, theirs",
    [
        (ferry.Error("record 7 is damaged", "data_loss", 12, "a.tfrecord"), tf.errors.InvalidArgumentError),
        (ferry.Error("too large", "limit_exceeded"), tf.errors.ResourceExhaustedError),
        (ferry.Error("no such kind", "unsupported"), tf.errors.UnimplementedError),
        (ZeroDivisionError("mine"), tf.errors.UnknownError),
    ],
)
def test_errors_come_through_with_their_words(error, theirs):
    def make():
        yield csr(2)
        raise error

    batches = iter(ferry.Batches(make).tf())
    next(batches)
    with pytest.raises(theirs, match=str(error)):
        next(batches)


def test_generators_of_tensorflows_own_tensors():
    """What people write with from_generator, a signature by hand and tf.sparse.reorder."""

    def make():
        for i in range(4):
            yield tf.sparse.SparseTensor([[1, i], [0, 2]], [1.0, 2.0], [2, 5]), tf.constant([0.0, 1.0])

    ds = ferry.Batches(make).tf()
    assert ds.element_spec == (tf.SparseTensorSpec([None, 5], tf.float32), tf.TensorSpec([None], tf.float32))
    for i, (x, y) in enumerate(ds):
        assert x.indices.numpy().tolist() == [[0, 2], [1, i]]
    joined = ds.unbatch().batch(4)  # tf.data's own stages go on from here
    assert [x.dense_shape.numpy().tolist() for x, _ in joined] == [[4, 5], [4, 5]]


def test_records_of_tensorflow_come_as_its_own_pipeline_gives_them(tmp_path):
    def ints(*values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def floats(*values):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    path = str(tmp_path / "x.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for i in range(10):
            features = {"at": ints(*range(i % 4)), "of": floats(*range(i % 4)), "ids": ints(*[i] * (i % 3)), "n": floats(i, -i)}
            if i % 2:
                features["y"] = ints(i)
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    spec = {
        "s": tf.io.SparseFeature("at", "of", tf.float32, 50),
        "v": tf.io.VarLenFeature(tf.int64),
        "r": tf.io.RaggedFeature(tf.int64, "ids", row_splits_dtype=tf.int64),
        "n": tf.io.FixedLenFeature([2], tf.float32),
        "y": tf.io.FixedLenFeature([], tf.int64, default_value=-1),
    }
    theirs = tf.data.TFRecordDataset(path).batch(4).map(lambda records: tf.io.parse_example(records, spec))
    ours = ferry.dataset(path, spec=spec).batch(4).tf()
    for name, expected in theirs.element_spec.items():
        assert ours.element_spec[name] == expected, name
    for a, b in zip(ours, theirs, strict=True):
        for name in spec:
            assert ferry.as_tensor(a[name]) == ferry.as_tensor(b[name]), name
