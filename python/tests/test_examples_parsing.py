"""parse_example and its kin, schema inference, and the way back."""

import numpy as np
import pytest

import tensorferry as ferry

ROWS = {"label": np.array([1, 0]), "x": np.array([[1, 2], [3, 4]], "f"), "word": np.array([b"a", b""], object)}


@pytest.fixture
def records():
    return ferry.serialize_examples(ROWS)


def test_what_was_serialized_is_parsed_again(records):
    features = {"label": ferry.FixedLenFeature([], ferry.int64), "x": ferry.FixedLenFeature([2], "float32"), "word": ferry.VarLenFeature(bytes)}
    found = ferry.parse_example(records, features)
    assert list(found) == ["label", "x", "word"]
    np.testing.assert_array_equal(found["label"], ROWS["label"])
    np.testing.assert_array_equal(found["x"], ROWS["x"])
    assert found["word"].shape == (2, 1) and list(found["word"].values) == [b"a", b""]


def test_a_schema_text_says_the_same_as_feature_objects(records):
    by_text = ferry.parse_example(records, "label:int64, x:float32[2], word:string{*}")
    assert by_text == ferry.parse_example(records, ferry.schema_from_text("label:int64, x:float32[2], word:string{*}"))
    assert ferry.schema_text(ferry.schema_from_text("a:int64[3]=-1, b:float32[pad,2]=0.5, c:string=\"none\", d:int64[*,2], e:float32{10}")) == (
        'a:int64[3]=-1, b:float32[pad,2]=0.5, c:string="none", d:int64[*,2], e:float32{10}'
    )


def test_records_may_lie_in_lists_arrays_and_string_tensors(records):
    expected = ferry.parse_example(records, "label:int64")
    for given in (tuple(records), np.array(records, object), ferry.as_tensor(np.array(records, object))):
        assert ferry.parse_example(given, "label:int64") == expected
    with pytest.raises(TypeError, match="a record is bytes, not str"):
        ferry.parse_example(["text"], "label:int64")


def test_one_record_has_no_axis_of_a_batch(records):
    found = ferry.parse_single_example(records[0], "label:int64, x:float32[2], word:string{*}, none:int64[*]")
    assert found["label"].shape == () and found["x"].shape == (2,) and found["word"].shape == (1,) and found["none"].shape == (0,)
    assert ferry.parse_example(records[0], "label:int64") == ferry.parse_single_example(records[0], "label:int64")


def test_errors_name_record_and_feature(records):
    with pytest.raises(ValueError, match=r"record 1 \('second'\): feature 'x': data types don't match: found float_list, expected int64_list"):
        ferry.parse_example([ferry.serialize_example({"x": np.array([1])}), records[1]], {"x": ferry.VarLenFeature("int64")}, ["first", "second"])
    with pytest.raises(ValueError, match="feature 'absent': is missing"):
        ferry.parse_example(records, "absent:int64")


def test_features_that_cannot_be_are_refused():
    for features in ({}, {"a": ferry.FixedLenFeature([None], "int64")}, {"a": ferry.FixedLenFeature([], "int32")}, {"a": 5},
                     {"a": ferry.FixedLenSequenceFeature([], "int64")}, {"a": ferry.SparseFeature(["i", "j"], "v", "int64", [3])},
                     {"a": ferry.FixedLenFeature([2], "int64", 7)}):  # fmt: skip
        with pytest.raises(ValueError):
            ferry.parse_example([], features)
    for feature in (ferry.SparseFeature(["i"], "v", "int64", 3), ferry.FixedLenFeature([], "int64", 0.5)):
        with pytest.raises(TypeError):
            ferry.parse_example([], {"a": feature})


def test_parsers_that_are_kept_are_told_apart_by_their_partitions():
    record = ferry.serialize_example({"v": np.arange(3), "p": np.array([0, 1, 3])})
    Ragged = ferry.RaggedFeature
    splits = ferry.parse_single_example(record, {"r": Ragged("int64", "v", [Ragged.RowSplits("p")])})["r"]
    limits = ferry.parse_single_example(record, {"r": Ragged("int64", "v", [Ragged.RowLimits("p")])})["r"]
    assert list(splits.row_splits) == [0, 1, 3] and list(limits.row_splits) == [0, 0, 1, 3]


def test_ragged_and_sparse_rows_come_back():
    ids = ferry.RaggedTensor.from_row_splits(np.array([5, 6, 7]), np.array([0, 2, 2, 3]))
    sparse = ferry.SparseTensor.from_pairs({(0, 1): 2.0, (2, 0): 5.0}, shape=(3, 4))
    records = ferry.serialize_examples({"ids": ids, "w": sparse})
    found = ferry.parse_example(records, {"ids": ferry.RaggedFeature("int64", row_splits_dtype="int64"),
                                          "w": ferry.SparseFeature("w/indices", "w/values", "float32", 4)})  # fmt: skip
    assert found["ids"] == ids
    np.testing.assert_array_equal(found["w"].indices, sparse.indices)


def test_sequence_examples_are_told_from_examples():
    steps = ferry.RaggedTensor.from_row_splits(np.array([1, 2, 3]), [np.array([0, 2, 3]), np.array([0, 1, 2, 3])])
    records = ferry.serialize_examples({"id": np.array([7, 8]), "tokens": steps})
    found = ferry.infer_features(records)
    assert found.content == "SequenceExample" and list(found.context) == ["id"] and list(found.lists) == ["tokens"]
    with pytest.raises(ValueError, match="parse_sequence_example"):
        found.features  # noqa: B018
    context, lists, lengths = ferry.parse_sequence_example(records, found.context, found.lists)
    np.testing.assert_array_equal(context["id"], [7, 8])
    np.testing.assert_array_equal(lists["tokens"], [[1, 2], [3, 0]])
    np.testing.assert_array_equal(lengths["tokens"], [2, 1])
    single_context, single_lists = ferry.parse_single_sequence_example(records[1], found.context, found.lists)
    assert single_context["id"].shape == () and single_lists["tokens"].shape == (1,)


def test_inferred_features_read_the_records(records):
    found = ferry.infer_features(records)
    assert found.content == "Example" and found.records == 2
    assert ferry.schema_text(found.features) == "label:int64, x:float32[2], word:string"
    assert set(ferry.parse_example(records, found.features)) == {"label", "x", "word"}


def test_datasets_take_feature_objects(tmp_path, records):
    path = tmp_path / "x.tfrecord"
    ferry.save(path, ROWS)
    batch = next(iter(ferry.dataset(path, {"label": ferry.FixedLenFeature([], "int64"), "word": ferry.VarLenFeature("string")}).batch(2)))
    np.testing.assert_array_equal(batch["label"], ROWS["label"])
    assert batch["word"].shape == (2, 1)


def test_examples_in_a_context_have_an_axis_of_their_own():
    def field(number, payload):
        return bytes([number << 3 | 2, len(payload)]) + payload

    def example(**values):
        return ferry.serialize_example({name: np.array(value) for name, value in values.items()})

    records = [field(1, example(doc=[1])) + field(1, example(doc=[2])) + field(2, example(query=[9])), field(2, example(query=[8]))]
    found = ferry.infer_features(records)
    assert found.content == "ExampleListWithContext" and list(found.examples) == ["doc"]
    context, examples, sizes = ferry.parse_example_list(records, found.context, found.examples)
    np.testing.assert_array_equal(context["query"], [9, 8])
    np.testing.assert_array_equal(sizes, [2, 0])
    assert list(examples["doc"].row_splits) == [0, 2, 2] and list(examples["doc"].values) == [1, 2]
    _, padded, _ = ferry.parse_example_list(records, None, "doc:int64=-1", list_size=3)
    np.testing.assert_array_equal(padded["doc"], [[1, 2, -1], [-1, -1, -1]])
