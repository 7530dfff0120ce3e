"""Ops that parse: Examples, SequenceExamples, raw bytes, TensorProtos."""
import numpy as np
import pytest
import tensorflow as tf

from harness import case, check, values

DTYPES = {"i": tf.int64, "f": tf.float32, "s": tf.string}


def feature(kind, items):
    if kind == "i":
        return tf.train.Feature(int64_list=tf.train.Int64List(value=items))
    if kind == "f":
        return tf.train.Feature(float_list=tf.train.FloatList(value=items))
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=items))


def example(**features):
    return tf.train.Example(features=tf.train.Features(feature={k: feature(*v) for k, v in features.items()})).SerializeToString()


def sequence(context, lists):
    return tf.train.SequenceExample(
        context=tf.train.Features(feature={k: feature(*v) for k, v in context.items()}),
        feature_lists=tf.train.FeatureLists(feature_list={
            k: tf.train.FeatureList(feature=[feature(kind, step) for step in steps]) for k, (kind, steps) in lists.items()}),
    ).SerializeToString()


RECORDS = [
    example(a=("i", [1, 2]), b=("f", [0.5]), c=("s", [b"x", b"", b"zz"]), d=("f", [1, 2, 3, 4]), e=("i", [7, 8]), r=("i", [3])),
    example(a=("i", []), b=("f", [1.5]), d=("f", [5, 6, 7, 8]), e=("i", [9]), r=("i", [4, 5, 6])),
    example(b=("f", [-1.0]), c=("s", [b"only"]), d=("f", [0, 0, 0, 1])),
]
NONE = np.array([], object)


def strings(items):
    return tf.constant(np.array(items, object), tf.string, shape=(len(items),))


def dense_defaults(with_default):
    return [tf.constant([], tf.float32), tf.constant([[9., 8.], [7., 6.]]) if with_default else tf.constant([], tf.float32),
            tf.constant(-1, tf.int64), tf.constant([b"pad"])]


DENSE = dict(Tdense=[tf.float32, tf.float32, tf.int64, tf.string], dense_shapes=[[], [2, 2], [None], [None]])
DENSE_KEYS = [b"b", b"d", b"e", b"c"]


@pytest.mark.parametrize("records", [RECORDS, RECORDS[:1], RECORDS[1:] * 5, []])
def test_parse_example(records):
    for names in ([], [b"n%d" % i for i in range(len(records))]):
        check(case("ParseExample", [strings(records), strings(names), [tf.constant(b"a"), tf.constant(b"q")], [tf.constant(k) for k in DENSE_KEYS],
                                    dense_defaults(True)], sparse_types=[tf.int64, tf.string], **DENSE))
    check(case("ParseExample", [strings(records), strings([]), [tf.constant(b"c")], [], []], sparse_types=[tf.string], Tdense=[], dense_shapes=[]))
    check(case("ParseExample", [strings(records), strings([]), [], [tf.constant(b"b")], [tf.constant(3.0)]], sparse_types=[], Tdense=[tf.float32], dense_shapes=[[]]))


@pytest.mark.parametrize("records", [RECORDS, RECORDS[:1], RECORDS[1:] * 5, [], RECORDS[0], RECORDS[2]], ids=str.split("three one ten none first third"))
def test_parse_example_v2(records):
    serialized = tf.constant(records) if isinstance(records, bytes) else strings(records)
    for splits in (tf.int32, tf.int64):
        check(case("ParseExampleV2", [serialized, strings([]), strings([b"a"]), strings(DENSE_KEYS), strings([b"r", b"nope"]), dense_defaults(True)],
                   num_sparse=1, sparse_types=[tf.int64], ragged_value_types=[tf.int64, tf.string], ragged_split_types=[splits, tf.int64], **DENSE))
    check(case("ParseExampleV2", [serialized, strings([]), strings([]), strings([b"b"]), strings([]), [tf.constant([], tf.float32)]],
               num_sparse=0, sparse_types=[], ragged_value_types=[], ragged_split_types=[], Tdense=[tf.float32], dense_shapes=[[]]))
    check(case("ParseExampleV2", [serialized, strings([]), strings([b"a", b"c"]), strings([]), strings([]), []],
               num_sparse=2, sparse_types=[tf.int64, tf.string], ragged_value_types=[], ragged_split_types=[], Tdense=[], dense_shapes=[]))


@pytest.mark.parametrize("record", RECORDS, ids=range(3))
def test_parse_single_example(record):
    check(case("ParseSingleExample", [tf.constant(record), dense_defaults(True)], num_sparse=2, sparse_keys=["a", "q"], dense_keys=["b", "d", "e", "c"],
               sparse_types=[tf.int64, tf.float32], **DENSE))
    check(case("ParseSingleExample", [tf.constant(record), []], num_sparse=1, sparse_keys=["c"], dense_keys=[], sparse_types=[tf.string], Tdense=[], dense_shapes=[]))


def test_bad_examples_are_refused():
    one = dict(sparse_types=[], Tdense=[tf.float32], dense_shapes=[[]])
    for records in ([b"\xff\xff"], RECORDS + [b"\x0a"], [b""], [RECORDS[0], example(b=("i", [1]))], [example(b=("f", [1, 2]))]):
        check(case("ParseExample", [strings(records), strings([]), [], [tf.constant(b"b")], [tf.constant([], tf.float32)]], **one))
    check(case("ParseExample", [strings(RECORDS), strings([b"one"]), [], [tf.constant(b"b")], [tf.constant([], tf.float32)]], **one))
    check(case("ParseExample", [strings(RECORDS), strings([]), [], [tf.constant(b"b")], [tf.constant([1.0, 2.0])]], **one))
    check(case("ParseExample", [tf.constant(RECORDS[0]), strings([]), [], [tf.constant(b"b")], [tf.constant([], tf.float32)]], **one))
    check(case("ParseExample", [strings(RECORDS), strings([]), [], [tf.constant(b"e")], [tf.constant([1, 2], tf.int64)]], sparse_types=[], Tdense=[tf.int64], dense_shapes=[[None]]))
    check(case("ParseSingleExample", [strings(RECORDS), [tf.constant(1.0)]], num_sparse=0, sparse_keys=[], dense_keys=["b"], **one))


SEQUENCES = [
    sequence({"a": ("i", [1, 2]), "b": ("f", [0.5])}, {"x": ("i", [[1], [2], [3]]), "y": ("s", [[b"a", b"b"], [], [b"c"]]), "z": ("f", [[1, 2], [3, 4]])}),
    sequence({"b": ("f", [2.5])}, {"x": ("i", [[4]]), "y": ("s", [[b"q"]]), "z": ("f", [])}),
    sequence({"a": ("i", [3]), "b": ("f", [3.5])}, {"x": ("i", [])}),
]
SEQUENCE_TYPES = dict(
    Ncontext_sparse=1, Nfeature_list_sparse=1, feature_list_dense_types=[tf.int64, tf.float32],
    context_sparse_types=[tf.int64], Tcontext_dense=[tf.float32], context_dense_shapes=[[]], feature_list_sparse_types=[tf.string],
    feature_list_dense_shapes=[[], [2]])


# Of one record TensorFlow leaves the splits between records uninitialized: what is there is `ignored`.
@pytest.mark.parametrize("records", [SEQUENCES, SEQUENCES[:1], SEQUENCES[1:], [], SEQUENCES[0], SEQUENCES[2]], ids=str.split("three one two none first third"))
def test_parse_sequence_example(records):
    serialized = tf.constant(records) if isinstance(records, bytes) else strings(records)
    debug = tf.constant(b"") if isinstance(records, bytes) else strings([])
    for missing in (["x", "z"], ["z"], []):
        check(case("ParseSequenceExample", [serialized, debug, [tf.constant([], tf.float32)]],
                   feature_list_dense_missing_assumed_empty=missing, context_sparse_keys=["a"], context_dense_keys=["b"], feature_list_sparse_keys=["y"],
                   feature_list_dense_keys=["x", "z"], Ncontext_dense=1, Nfeature_list_dense=2, **SEQUENCE_TYPES))
        for splits in (tf.int32, tf.int64):
            check(case("ParseSequenceExampleV2", [
                serialized, debug, strings([b"a"]), strings([b"b"]), strings([b"a2"]), strings([b"y"]), strings([b"x", b"z"]), strings([b"w"]),
                tf.constant([k in missing for k in ("x", "z")]), [tf.constant(1.5)]],
                context_ragged_value_types=[tf.int64], context_ragged_split_types=[splits], feature_list_ragged_value_types=[tf.string],
                feature_list_ragged_split_types=[splits], Nfeature_list_dense=2, ignored=() if debug.shape.rank else (5, 14), **SEQUENCE_TYPES))


@pytest.mark.parametrize("records", [SEQUENCES, SEQUENCES[:1], SEQUENCES[1:], [], SEQUENCES[0], SEQUENCES[2]], ids=str.split("three one two none first third"))
def test_ragged_lists_of_sequence_examples(records):
    serialized = tf.constant(records) if isinstance(records, bytes) else strings(records)
    debug = tf.constant(b"") if isinstance(records, bytes) else strings([])
    for splits in (tf.int32, tf.int64):
        check(case("ParseSequenceExampleV2", [
            serialized, debug, strings([]), strings([]), strings([b"a", b"b"]), strings([]), strings([]), strings([b"x", b"y"]), tf.constant([], tf.bool), []],
            context_ragged_value_types=[tf.int64, tf.float32], context_ragged_split_types=[splits, tf.int64],
            feature_list_ragged_value_types=[tf.int64, tf.string], feature_list_ragged_split_types=[splits, splits],
            context_sparse_types=[], feature_list_sparse_types=[], feature_list_dense_types=[], Ncontext_sparse=0, Nfeature_list_sparse=0, Nfeature_list_dense=0, ignored=() if debug.shape.rank else (2, 3, 6, 7)))


@pytest.mark.parametrize("record", SEQUENCES, ids=range(3))
def test_parse_single_sequence_example(record):
    for missing in ([b"x", b"z"], [b"z"], []):
        check(case("ParseSingleSequenceExample", [
            tf.constant(record), strings(missing), [tf.constant(b"a")], [tf.constant(b"b")], [tf.constant(b"y")], [tf.constant(b"x"), tf.constant(b"z")],
            [tf.constant(2.0)], tf.constant(b"")], **SEQUENCE_TYPES))


RAW = ["float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16"]


@pytest.mark.parametrize("dtype", RAW + ["complex64", "complex128", "bool"])
def test_decode_raw(dtype):
    dtype = tf.as_dtype(dtype)
    size = dtype.size
    rng = np.random.default_rng(3)
    for shape, length in [((), 4), ((3,), 2), ((2, 2), 1), ((2,), 0), ((0,), 0)]:
        texts = [rng.integers(0, 2 if dtype == tf.bool else 60, size * length, dtype=np.uint8).tobytes() for _ in range(int(np.prod(shape)))]
        x = tf.constant(np.array(texts, object).reshape(shape) if texts else np.zeros(shape, object), tf.string)
        for little in (True, False):
            check(case("DecodeRaw", [x], out_type=dtype, little_endian=little))
    if size > 1:
        check(case("DecodeRaw", [tf.constant([b"x" * (size + 1)])], out_type=dtype))
    check(case("DecodeRaw", [tf.constant([b"x" * size, b"x" * 2 * size])], out_type=dtype))


@pytest.mark.parametrize("dtype", RAW)
def test_decode_padded_raw(dtype):
    dtype = tf.as_dtype(dtype)
    size = dtype.size
    for texts in ([b"", b"\x01", b"\x02" * size * 2, b"\x03" * (size * 3)], [b"\x05" * size * 5]):
        for little in (True, False):
            check(case("DecodePaddedRaw", [tf.constant(texts), tf.constant(4 * size)], out_type=dtype, little_endian=little))
    check(case("DecodePaddedRaw", [tf.constant([b"a"]), tf.constant(0)], out_type=dtype))
    check(case("DecodePaddedRaw", [tf.constant([b"a"]), tf.constant(-size)], out_type=dtype))
    if size > 1:
        check(case("DecodePaddedRaw", [tf.constant([b"a"]), tf.constant(size + 1)], out_type=dtype))


PLAIN = ["float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "complex64", "complex128",
         "bool", "string"]


@pytest.mark.parametrize("dtype", PLAIN)
def test_tensors_as_text(dtype):
    dtype = tf.as_dtype(dtype)
    for shape in [(), (3,), (2, 0), (0,), (2, 3, 2)]:
        x = values(dtype, shape)
        check(case("SerializeTensor", [x]))
        check(case("ParseTensor", [tf.io.serialize_tensor(x)], out_type=dtype))
        check(case("ParseTensor", [tf.constant(tf.make_tensor_proto(x.numpy(), dtype).SerializeToString())], out_type=dtype))
    check(case("ParseTensor", [tf.io.serialize_tensor(tf.constant([1, 2, 3]))], out_type=tf.float32))
    check(case("ParseTensor", [tf.constant(b"\xff")], out_type=dtype))
    check(case("ParseTensor", [tf.constant([b""])], out_type=dtype))
