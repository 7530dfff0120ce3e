"""Streams of batches: what a batch may be, what is checked, and how it is split into features, labels and weights."""

import gc
import pickle

import numpy as np
import pytest

import tensorferry as ferry

sp = pytest.importorskip("scipy.sparse")


def matrices(count=3, rows=4, columns=6):
    rng = np.random.default_rng(7)
    return [sp.random_array((rows, columns), density=0.4, rng=rng, format="csr", dtype=np.float32) for _ in range(count)]


def test_a_function_is_called_for_each_pass():
    calls = []

    def make():
        calls.append(1)
        yield from matrices()

    ds = ferry.Batches(make)
    first = [batch["x"] for batch in ds]
    assert first == [batch["x"] for batch in ds] == [ferry.as_tensor(m) for m in matrices()]
    assert len(calls) == 3  # one look at what a batch is
    assert ds.size is None


def test_an_iterator_is_good_for_one_pass_and_says_so():
    ds = ferry.Batches(iter(matrices()))
    assert ds.element_spec[0].shape == (None, 6)  # looking takes nothing away
    assert [batch["x"] for batch in ds] == [ferry.as_tensor(m) for m in matrices()]
    with pytest.raises(ferry.Error, match="read to its end"):
        iter(ds)


def test_a_list_knows_its_size():
    ds = ferry.Batches(matrices(5))
    assert ds.size == 5
    assert len(list(ds)) == len(list(ds)) == 5


def test_the_spec_says_what_every_batch_is():
    batch = {"a": matrices()[0], "b": np.zeros((4, 2, 3), np.int16), "c": ferry.RaggedTensor.from_lists([[[1], []], [[2, 3]]]), "d": ["x", "y"]}
    assert ferry.Batches([batch]).element_spec == (
        ferry.ElementSpec("a", "csr", "float32", (None, 6)),
        ferry.ElementSpec("b", "dense", "int16", (None, 2, 3)),
        ferry.ElementSpec("c", "ragged", "int64", (None, None, None), 2),
        ferry.ElementSpec("d", "dense", "string", (None,)),
    )


def test_unsorted_entries_are_sorted_and_ones_outside_are_errors():
    class Theirs:  # the attributes of a tf.sparse.SparseTensor, and its kind of module
        __module__ = "tensorflow.python.framework"

        def __init__(self, indices, values, shape):
            self.indices, self.values, self.dense_shape = np.array(indices), np.array(values), np.array(shape)

    ((batch),) = ferry.Batches([Theirs([[1, 0], [0, 2], [0, 1]], [1.0, 2.0, 3.0], [2, 3])])
    assert batch["x"].sorted
    assert batch["x"].indices.tolist() == [[0, 1], [0, 2], [1, 0]]
    assert batch["x"].values.tolist() == [3.0, 2.0, 1.0]
    with pytest.raises(ferry.Error, match="outside"):
        list(ferry.Batches([Theirs([[0, 3]], [1.0], [2, 3])]))


@pytest.mark.parametrize(
    "second, words",
    [
        ({"x": sp.csr_array(np.ones((4, 7), np.float32)), "y": np.ones(4)}, r"batch 1: tensor 'x' is sparse float32 \[4, 7\], expected sparse float32 \[\?, 6\]"),
        ({"x": sp.csr_array(np.ones((4, 6))), "y": np.ones(4)}, "float64"),
        ({"x": np.ones((4, 6), np.float32), "y": np.ones(4)}, "dense"),
        ({"x": sp.csr_array(np.ones((4, 6), np.float32)), "y": np.ones((4, 1))}, "tensor 'y'"),
        ({"x": sp.csr_array(np.ones((4, 6), np.float32))}, "no tensor 'y'; it has 'x'"),
        ({"x": sp.csr_array(np.ones((4, 6), np.float32)), "y": np.ones(4), "z": np.ones(4)}, "a tensor 'z', which the first"),
    ],
)
def test_a_batch_unlike_the_first_is_told_with_its_number(second, words):
    ds = ferry.Batches([{"x": sp.csr_array(np.ones((4, 6), np.float32)), "y": np.ones(4)}, second])
    batches = iter(ds)
    next(batches)
    with pytest.raises(ferry.Error, match=words):
        next(batches)


def test_layouts_may_differ_and_so_may_axes_that_the_spec_leaves_open():
    ds = ferry.Batches(
        [sp.csr_array(np.ones((4, 6))), sp.coo_array(np.ones((2, 9)))], element_spec=[ferry.ElementSpec("x", "coo", "float64", (None, None))]
    )
    assert [batch["x"].shape for batch in ds] == [(4, 6), (2, 9)]


def test_no_batch_at_all_needs_a_spec():
    with pytest.raises(ferry.Error, match="element_spec="):
        list(ferry.Batches([]))
    assert list(ferry.Batches([], element_spec=[ferry.ElementSpec("x")])) == []


def test_what_is_no_stream_is_refused():
    with pytest.raises(TypeError, match="int"):
        ferry.Batches(3)
    with pytest.raises(ferry.Error, match="tuple of 4"):
        list(ferry.Batches([(1, 2, 3, 4)]))
    with pytest.raises(ferry.Error, match="two tensors of a batch are called 'label'"):
        list(ferry.Batches([({"label": np.ones(2)}, np.ones(2))]))


def test_errors_of_the_generator_come_as_they_are():
    def make():
        yield np.ones(2)
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        list(ferry.Batches(make))


def test_a_pass_that_is_given_up_closes_the_generator():
    closed = []

    def make():
        try:
            yield from matrices()
        finally:
            closed.append(1)

    ds = ferry.Batches(make)
    batches = iter(ds)
    assert closed == [1]  # the one that was looked at
    next(batches)
    del batches
    gc.collect()
    assert closed == [1, 1]


def test_shards_have_each_batch_once():
    ds = ferry.Batches([np.full(2, i) for i in range(7)])
    shards = [[int(batch["x"].to_numpy()[0]) for batch in ds.shard(i, 3)] for i in range(3)]
    assert shards == [[0, 3, 6], [1, 4], [2, 5]]
    started = ferry.Batches(iter([np.full(2, i) for i in range(7)]))
    assert started.element_spec and [int(batch["x"].to_numpy()[0]) for batch in started.shard(0, 3)] == [0, 3, 6]
    with pytest.raises(ValueError, match="shard 3 of 3"):
        ds.shard(3, 3)


def test_batches_of_a_list_are_picklable():
    ds = ferry.Batches(matrices())
    assert [batch["x"] for batch in pickle.loads(pickle.dumps(ds))] == [batch["x"] for batch in ds]


# ---- Roles, as SciPy sees them


def labelled():
    return [{"a": matrices()[0], "b": np.ones((4, 2)), "y": np.arange(4), "w": np.ones(4)}]


def test_without_a_label_a_batch_is_a_dict_of_all():
    (batch,) = ferry.Batches(labelled()).scipy()
    assert list(batch) == ["a", "b", "y", "w"]
    assert sp.issparse(batch["a"]) and batch["a"].format == "csr"


def test_label_and_weight_are_taken_out_of_the_features():
    ((x, y, w),) = ferry.Batches(labelled()).scipy("y", "w")
    assert list(x) == ["a", "b"]
    assert y.tolist() == [0, 1, 2, 3] and w.tolist() == [1] * 4


def test_several_labels_are_a_dict_and_one_feature_is_itself():
    ((x, y),) = ferry.Batches(labelled()).scipy(["y", "b"], features="a", layout="csc")
    assert x.format == "csc" and list(y) == ["y", "b"]
    ((x, y),) = ferry.Batches(labelled()).scipy("y", features=["a"])
    assert list(x) == ["a"]
    ((x, y),) = ferry.Batches([{"only": np.ones(2), "y": np.ones(2)}]).scipy("y")
    assert x.tolist() == [1, 1]


def test_tuples_are_taken_for_what_they_are():
    ((x, y, w),) = ferry.Batches([(matrices()[0], np.arange(4), np.ones(4))]).scipy(layout="coo")
    assert x.format == "coo" and y.tolist() == [0, 1, 2, 3]
    ((x, y),) = ferry.Batches([({"a": np.ones(2), "b": np.ones(2)}, np.zeros(2))]).scipy()
    assert list(x) == ["a", "b"] and y.tolist() == [0, 0]
    (x,) = ferry.Batches([(np.ones(2),)]).scipy()
    assert x.tolist() == [1, 1]


@pytest.mark.parametrize("names, words", [({"label": "z"}, "'z' \\(label\\); the batches have 'a', 'b', 'y', 'w'"), ({"features": ["q"]}, "'q'"), ({"weight": "w"}, "without label")])
def test_names_that_do_not_fit_are_told(names, words):
    with pytest.raises(ValueError, match=words):
        ferry.Batches(labelled()).scipy(**names)


def test_any_class_with_batches_and_a_spec_has_the_adapters():
    class Mine(ferry.Adapters):
        element_spec = {"x": ferry.ElementSpec("x", "csr", "float32", (-1, 6))}

        def __iter__(self):
            return (ferry.TensorMap({"x": m}) for m in matrices())

    assert [batch["x"].nnz for batch in Mine().scipy()] == [m.nnz for m in matrices()]


# ---- collate_sparse, as far as it goes without PyTorch


def test_collate_refuses_what_it_has_no_word_for():
    with pytest.raises(ValueError, match="layout is 'bsr', expected one of 'coo', 'csr', 'block_diag'"):
        ferry.collate_sparse(layout="bsr")
    with pytest.raises(ferry.Error, match=r"shapes \[1, 2\] and \[1, 3\]"):
        ferry.collate_sparse([sp.csr_array(np.ones((1, 2))), sp.csr_array(np.ones((1, 3)))])
    assert pickle.loads(pickle.dumps(ferry.collate_sparse(layout="csr"))).layout == "csr"
