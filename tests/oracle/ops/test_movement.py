"""Shape, slicing and movement: every registered dtype, strings, empty tensors, each attribute's values, refusals."""
import numpy as np
import pytest
import tensorflow as tf

from harness import case, check, registered, values

OPAQUE = (tf.resource, tf.variant)
# What NumPy can feed: quantized dtypes and the 4-bit ones have no array of their own there; they move by width like any other.
UNFED = OPAQUE + (tf.qint8, tf.quint8, tf.qint16, tf.quint16, tf.qint32, tf.as_dtype(29), tf.as_dtype(30))


def dtypes(op, attr="T"):
    return [d for d in registered(op, attr) if d not in UNFED]


def ints(x, dtype=tf.int32):
    return tf.constant(x, dtype, shape=np.shape(x))


INDEX = (tf.int32, tf.int64)
SHAPES = [(), (1,), (5,), (0,), (2, 3), (3, 0), (2, 1, 3), (2, 3, 4, 2)]


@pytest.mark.parametrize("op", ["Shape", "Size", "Rank", "ShapeN"])
def test_shapes(op):
    for shape in SHAPES:
        for dtype in (tf.float32, tf.string, tf.bool):
            x = values(dtype, shape)
            for out in INDEX:
                if op == "ShapeN":
                    check(case(op, [[x, values(dtype, (2, 2))]], out_type=out))
                elif op == "Rank":
                    check(case(op, [x]))
                else:
                    check(case(op, [x], out_type=out))


def test_reshape():
    for dtype in (tf.float32, tf.string, tf.complex128, tf.bool):
        for shape, to in [((2, 3), [3, 2]), ((2, 3), [-1]), ((2, 3), [2, -1, 1]), ((), []), ((), [1, 1]), ((1,), []), ((0, 3), [3, 0]), ((0, 3), [0, -1]), ((0, 3), [5, 0, -1]),
                          ((0,), [-1, 2]), ((2, 3), [4]), ((2, 3), [-1, -1]), ((2, 3), [-1, 4]), ((2, 3), [-2, 3]), ((2, 3), [2**31 - 1, 2**31 - 1]), ((4,), [2, 2, 1, 1, 1, 1, 1, 1])]:
            for index in INDEX:
                check(case("Reshape", [values(dtype, shape), ints(to, index)]))
    check(case("Reshape", [values(tf.float32, (4,)), ints(4)]))


def test_expand_dims():
    for dtype in (tf.float32, tf.string):
        for shape in [(), (3,), (2, 3), (0, 2)]:
            for dim in range(-4, 4):
                for index in INDEX:
                    check(case("ExpandDims", [values(dtype, shape), ints(dim, index)]))
    check(case("ExpandDims", [values(tf.float32, (2,)), ints([0])]))
    check(case("ExpandDims", [values(tf.float32, (2,)), ints([0, 1])]))


def test_squeeze():
    for dtype in (tf.float32, tf.string):
        for shape, axes in [((1, 3, 1), []), ((1, 3, 1), [0]), ((1, 3, 1), [-1]), ((1, 3, 1), [0, 2]), ((1, 3, 1), [1]), ((1, 3, 1), [3]), ((1, 3, 1), [-4]), ((), []), ((1,), []), ((1,), [0]),
                            ((0, 1), []), ((1, 1), [0, 0]), ((2, 3), [])]:
            check(case("Squeeze", [values(dtype, shape)], squeeze_dims=axes))


def test_bitcast():
    for a in (tf.uint8, tf.int8, tf.int16, tf.uint16, tf.float16, tf.bfloat16, tf.int32, tf.float32, tf.int64, tf.float64, tf.complex64, tf.complex128, tf.uint32, tf.uint64):
        for b in (tf.uint8, tf.int16, tf.int32, tf.int64, tf.uint64, tf.complex128):
            for shape in [(), (3,), (3, 2), (3, 4), (1, 8), (2, 16), (0, 4), (0, 3)]:
                x = values(a, shape, extremes=False)
                check(case("Bitcast", [x], type=b))


@pytest.mark.parametrize("index", INDEX)
def test_broadcast_args(index):
    for a, b in [([2, 3], [3]), ([], [4]), ([], []), ([1, 5], [2, 1]), ([0, 3], [1, 3]), ([2], [3]), ([2, 1, 4], [3, 1]), ([0], [5])]:
        check(case("BroadcastArgs", [ints(a, index), ints(b, index)]))
    check(case("BroadcastArgs", [ints(2, index), ints([2], index)]))


@pytest.mark.parametrize("index", INDEX)
def test_concat_offset(index):
    for axis in (0, 1, -1, -2, 2, -3):
        check(case("ConcatOffset", [ints(axis), [ints([2, 3], index), ints([2, 3], index), ints([2, 3], index)]]))
        check(case("ConcatOffset", [ints(axis), [ints([2, 3], index), ints([5, 3], index)]]))
        check(case("ConcatOffset", [ints(axis), [ints([0, 0], index), ints([0, 7], index)]]))
    check(case("ConcatOffset", [ints(0), [ints([2, 3], index), ints([2], index)]]))


@pytest.mark.parametrize("op", ["Concat", "ConcatV2"])
def test_concat(op):
    def run(tensors, axis, index=tf.int32):
        check(case(op, [ints(axis), tensors] if op == "Concat" else [tensors, ints(axis, index)]))
    for dtype in dtypes(op):
        for shapes, axis in [([(2, 3), (4, 3)], 0), ([(2, 3), (2, 1)], 1), ([(2, 3), (2, 0), (2, 2)], -1), ([(0, 3), (0, 3)], 0), ([(2, 2, 3), (2, 1, 3), (2, 4, 3)], 1), ([(3,), (2,), (0,)], 0),
                             ([(2,)] * 5, -1), ([(2, 3), (2, 4)], 0), ([(2, 3), (2,)], 0), ([(2, 3), (2, 3)], 2), ([(2, 3), (2, 3)], -3), ([(), ()], 0)]:
            run([values(dtype, s, i) for i, s in enumerate(shapes)], axis)
    for index in INDEX:
        run([values(tf.float32, (2, 2)), values(tf.float32, (2, 3))], -1, index)


def test_pack_and_unpack():
    for dtype in dtypes("Pack"):
        for shape in [(), (3,), (2, 3), (0, 2), (2, 0)]:
            for axis in range(-len(shape) - 2, len(shape) + 2):
                for n in (1, 3):
                    check(case("Pack", [[values(dtype, shape, i) for i in range(n)]], axis=axis))
    check(case("Pack", [[values(tf.float32, (2,)), values(tf.float32, (3,))]]))
    for dtype in dtypes("Unpack"):
        for shape in [(3,), (2, 3), (3, 2, 2), (0, 3), (3, 0), (1, 4)]:
            for axis in range(-len(shape) - 1, len(shape) + 1):
                num = shape[axis] if -len(shape) <= axis < len(shape) else 2
                if num:
                    check(case("Unpack", [values(dtype, shape)], num=num, axis=axis))
    check(case("Unpack", [values(tf.float32, (3,))], num=2, axis=0))
    check(case("Unpack", [values(tf.float32, ())], num=1, axis=0))


def test_split():
    for dtype in dtypes("Split"):
        for shape, axis, n in [((6,), 0, 3), ((6, 2), 0, 2), ((2, 6), 1, 3), ((2, 6), -1, 2), ((0, 4), 1, 2), ((0, 4), 0, 2), ((2, 4, 3), 1, 4), ((3,), 0, 1), ((5,), 0, 2), ((4,), 1, 2), ((4,), -2, 2)]:
            check(case("Split", [ints(axis), values(dtype, shape)], num_split=n))


def test_split_v():
    for dtype in dtypes("SplitV"):
        for shape, axis, sizes in [((6,), 0, [1, 2, 3]), ((6, 2), 0, [4, 2]), ((2, 6), 1, [3, -1, 0]), ((2, 6), -1, [-1]), ((0, 4), 1, [1, 3]), ((2, 4, 3), 1, [1, 3]), ((6,), 0, [1, 2]),
                                   ((6,), 0, [-1, -1]), ((6,), 0, [7, -1]), ((6,), 0, [-2, 8]), ((6,), 0, [6]), ((6,), 1, [6]), ((2, 0), 1, [0, 0])]:
            # TensorFlow refuses -1 where it stands alone, though it documents it.
            check(case("SplitV", [values(dtype, shape), ints(sizes, tf.int64), ints(axis)], num_split=len(sizes), errors_equal=sizes != [-1]))
    for index in (tf.int32, tf.int8):
        check(case("SplitV", [values(tf.float32, (6, 2)), ints([2, -1], index), ints(0)], num_split=2))


def test_slice():
    for dtype in dtypes("Slice"):
        for shape, begin, size in [((5,), [1], [3]), ((5,), [0], [-1]), ((5,), [5], [0]), ((5,), [5], [-1]), ((3, 4), [1, 0], [2, 4]), ((3, 4), [0, 1], [3, 2]), ((3, 4), [1, 1], [1, 2]), ((2, 3, 4), [0, 1, 0], [2, 2, -1]),
                                   ((2, 3, 4), [1, 1, 1], [1, 1, 3]), ((), [], []), ((0, 3), [0, 1], [0, 2]), ((3, 4), [0, 0], [0, 2]), ((5,), [6], [-1]), ((5,), [-1], [1]), ((5,), [2], [4]), ((5,), [2], [-2]),
                                   ((5,), [0, 0], [1, 1]), ((3, 4), [0, 0], [3, 4])]:
            for index in INDEX:
                check(case("Slice", [values(dtype, shape), ints(begin, index), ints(size, index)]))


SPECS = [((5,), [1], [4], [1], {}), ((5,), [-4], [-1], [2], {}), ((5,), [4], [0], [-1], {}), ((5,), [4], [0], [-2], {"end_mask": 1}), ((5,), [0], [0], [1], {"begin_mask": 1, "end_mask": 1}),
         ((5,), [0], [0], [-1], {"begin_mask": 1, "end_mask": 1}), ((5,), [2], [0], [1], {"shrink_axis_mask": 1}), ((5,), [-1], [0], [1], {"shrink_axis_mask": 1}), ((5,), [5], [0], [1], {"shrink_axis_mask": 1}),
         ((5,), [-6], [0], [1], {"shrink_axis_mask": 1}), ((5,), [2], [0], [-1], {"shrink_axis_mask": 1}), ((5,), [0], [5], [0], {}), ((5,), [-100], [100], [1], {}), ((5,), [100], [-100], [-1], {}),
         ((5,), [3], [1], [1], {}), ((3, 4), [1], [3], [1], {}), ((3, 4), [0, 1], [3, 3], [2, 1], {}), ((3, 4), [0, 1], [0, 3], [1, 1], {"ellipsis_mask": 1}), ((2, 3, 4), [0, 1], [0, 2], [1, 1], {"ellipsis_mask": 1}),
         ((2, 3, 4), [1, 0], [2, 0], [1, 1], {"ellipsis_mask": 2}), ((2, 3, 4), [1, 0, 0], [2, 0, 2], [1, 1, 1], {"ellipsis_mask": 2, "shrink_axis_mask": 1}), ((2, 3), [0, 0, 0], [0, 0, 0], [1, 1, 1], {"new_axis_mask": 1, "end_mask": 6}),
         ((2, 3), [0, 0, 1], [0, 0, 2], [1, 1, 1], {"ellipsis_mask": 1, "new_axis_mask": 2}), ((2, 3), [0, 0], [0, 0], [1, 1], {"ellipsis_mask": 3}), ((2, 3), [0, 0, 0], [1, 1, 1], [1, 1, 1], {}),
         ((), [], [], [], {}), ((), [0], [1], [1], {}), ((), [0], [0], [1], {"new_axis_mask": 1}), ((), [0], [0], [1], {"ellipsis_mask": 1}), ((0, 3), [0], [2], [1], {}), ((3, 0), [1, 0], [2, 0], [1, 1], {"end_mask": 2}),
         ((2, 3, 4), [1, 2, 3], [0, 0, 0], [-1, -2, -3], {"end_mask": 7}), ((4, 4), [0, 0], [0, 0], [1, 1], {"shrink_axis_mask": 3}), ((4, 4), [1, 2], [0, 0], [1, 1], {"shrink_axis_mask": 1, "begin_mask": 3, "end_mask": 2}),
         ((3,), [0, 0], [1, 1], [1, 1], {"new_axis_mask": 2, "shrink_axis_mask": 2}), ((3, 4), [0, 2], [0, 1], [1, 1], {"ellipsis_mask": 1, "new_axis_mask": 1, "shrink_axis_mask": 2}), ((2, 3, 4), [0, 0, 1, 0], [0, 0, 2, 0], [1, 1, 1, 1], {"ellipsis_mask": 2, "new_axis_mask": 9}),
         ((5,), [1], [4], [2**31 - 1], {}), ((5,), [4], [0], [-2**31], {}), ((2, 2), [0], [1], [1, 1], {})]


def test_strided_slice():
    for dtype in dtypes("StridedSlice"):
        for shape, begin, end, strides, masks in SPECS:
            for index in INDEX if dtype in (tf.float32, tf.string) else (tf.int32,):
                check(case("StridedSlice", [values(dtype, shape), ints(begin, index), ints(end, index), ints(strides, index)], **masks))
    check(case("StridedSlice", [values(tf.float32, (5,)), ints([1], tf.int16), ints([4], tf.int16), ints([2], tf.int16)]))


def test_strided_slice_at_random():
    rng = np.random.default_rng(7)
    for _ in range(600):
        rank = int(rng.integers(0, 5))
        n = int(rng.integers(0, rank + 2))
        shape = tuple(int(d) for d in rng.integers(0, 5, rank))
        args = [ints(list(rng.integers(low, high, n)), tf.int32) for low, high in [(-6, 7), (-6, 7), (-3, 4)]]
        masks = {k: int(rng.integers(0, 2**n)) & int(rng.integers(0, 2**n)) for k in ["begin_mask", "end_mask", "new_axis_mask", "shrink_axis_mask"]}
        masks["ellipsis_mask"] = int(rng.choice([0, 0, 1, 2, 4, 8])) & (2**n - 1)
        check(case("StridedSlice", [values(tf.int32, shape), *args], **masks))


PERMS = [((2, 3), [1, 0]), ((2, 3), [0, 1]), ((2, 3, 4), [2, 0, 1]), ((2, 3, 4), [0, 2, 1]), ((2, 1, 3, 4), [3, 1, 0, 2]), ((), []), ((3,), [0]), ((0, 3), [1, 0]), ((2, 3), [-1, 0]), ((2, 3), [0, 0]), ((2, 3), [0, 2]), ((2, 3), [0]),
         ((70, 80), [1, 0])]


@pytest.mark.parametrize("op", ["Transpose", "ConjugateTranspose"])
def test_transpose(op):
    for dtype in dtypes(op):
        for shape, perm in PERMS if op == "Transpose" else PERMS[:5]:  # TensorFlow's ConjugateTranspose aborts for others
            if dtype != tf.float32 and len(shape) == 2 and shape[0] == 70:
                continue
            check(case(op, [values(dtype, shape), ints(perm)]))
    check(case(op, [values(tf.complex64, (2, 3)), ints([1, 0], tf.int64)]))


@pytest.mark.parametrize("index", INDEX)
def test_invert_permutation(index):
    for x in ([2, 0, 1], [], [0], [0, 0], [1, 2], [-1, 0]):
        check(case("InvertPermutation", [ints(x, index)]))
    check(case("InvertPermutation", [ints([[0]], index)]))


def test_reverse():
    for dtype in dtypes("Reverse"):
        for shape in [(3,), (2, 3), (2, 0), (2, 3, 4)]:
            for bits in range(2 ** len(shape)):
                flags = [bool(bits >> i & 1) for i in range(len(shape))]
                check(case("Reverse", [values(dtype, shape), tf.constant(flags, tf.bool)]))
    check(case("Reverse", [values(tf.float32, (2, 3)), tf.constant([True])]))
    for dtype in dtypes("ReverseV2"):
        for shape, axes in [((3,), [0]), ((2, 3), [-1]), ((2, 3), [0, 1]), ((2, 3), []), ((2, 3), [0, -2]), ((2, 3), [2]), ((2, 3), [-3]), ((0, 3), [0]), ((2, 3, 4), [1]), ((2, 3, 4), [0, 2]), ((), [])]:
            for index in INDEX:
                check(case("ReverseV2", [values(dtype, shape), ints(axes, index)]))


def test_reverse_sequence():
    for dtype in dtypes("ReverseSequence"):
        for shape, lengths, seq, batch in [((3, 4), [0, 2, 4], 1, 0), ((4, 3), [1, 2, 4], 0, 1), ((3, 4, 2), [3, 4, 1], 1, 0), ((2, 3, 4), [0, 1, 3, 2], 1, 2), ((2, 3, 4), [1, 2], 2, 0), ((4, 2, 3), [4, 2, 0], 0, 2), ((0, 4), [], 1, 0),
                                           ((3, 4), [0, 2], 1, 0), ((3, 4), [0, 2, 5], 1, 0), ((3, 4), [0, 2, -1], 1, 0), ((3, 4), [0, 2, 1], 0, 0), ((3, 4), [0, 2, 1], 2, 0), ((3,), [1, 2, 3], 0, 0), ((3, 0), [0, 0, 0], 1, 0)]:
            for index in INDEX if dtype == tf.float32 else (tf.int64,):
                check(case("ReverseSequence", [values(dtype, shape), ints(lengths, index)], seq_dim=seq, batch_dim=batch))


def test_roll():
    for dtype in dtypes("Roll"):
        for shape, shift, axis in [((5,), 2, 0), ((5,), -1, 0), ((5,), 7, -1), ((3, 4), [1, 2], [0, 1]), ((3, 4), [1, 2], [1, 1]), ((2, 3, 4), 1, 1), ((2, 3, 4), [-1, 5], [-1, 0]), ((0, 3), 1, 0), ((3, 4), [], []), ((3, 4), 1, 2),
                                   ((3, 4), [1], [0, 1]), ((3, 4), -3, -3)]:
            check(case("Roll", [values(dtype, shape), ints(shift), ints(axis)]))
    for a in INDEX:
        for b in INDEX:
            check(case("Roll", [values(tf.int32, (3, 4)), ints([1, -2**31 if a == tf.int32 else -2**62], a), ints([0, -1], b)]))
    check(case("Roll", [values(tf.float32, ()), ints(1), ints(0)]))


def test_tile():
    # The dtypes of TensorFlow's Tile are in no table; these it takes.
    for dtype in (tf.float32, tf.float64, tf.uint8, tf.int8, tf.int16, tf.int32, tf.int64, tf.bool, tf.float16, tf.bfloat16, tf.complex64, tf.complex128, tf.string):
        for shape, times in [((3,), [2]), ((2, 3), [1, 2]), ((2, 3), [3, 1]), ((2, 3), [2, 2]), ((2, 1, 3), [1, 4, 2]), ((), []), ((0, 3), [2, 2]), ((2, 3), [0, 1]), ((2, 3), [1]), ((2, 3), [-1, 1]), ((1,), [7]), ((2, 3), [1, 1])]:
            for index in INDEX:
                check(case("Tile", [values(dtype, shape), ints(times, index)]))


def test_broadcast_to():
    for dtype in dtypes("BroadcastTo"):
        for shape, to in [((3,), [2, 3]), ((), [2, 2]), ((2, 1), [2, 3]), ((1, 3), [4, 3]), ((2, 1, 3), [2, 2, 4, 3]), ((1,), [0]), ((0,), [3, 0]), ((2, 3), [2, 3]), ((2, 3), [3]), ((2,), [3]), ((3, 1), [3, 0]), ((), [])]:
            if shape == (2, 1, 3):
                to = [2, 2, 4, 3]
            for index in INDEX:
                check(case("BroadcastTo", [values(dtype, shape), ints(to, index)]))
    check(case("BroadcastTo", [values(tf.float32, (1,)), ints([-1])]))


PADS = [((3,), [[1, 2]]), ((2, 3), [[0, 0], [1, 1]]), ((2, 3), [[1, 0], [0, 2]]), ((2, 3), [[0, 0], [0, 0]]), ((2, 3, 4), [[1, 1], [0, 2], [3, 0]]), ((), np.zeros((0, 2))), ((0, 3), [[1, 1], [0, 0]]), ((2, 0), [[0, 0], [1, 2]]),
        ((2, 3), [[1, 1]]), ((2, 3), [[-1, 1], [0, 0]]), ((2, 3), [[1], [1]]), ((1, 2, 3, 4), [[0, 0], [1, 0], [0, 1], [0, 0]])]


@pytest.mark.parametrize("op", ["Pad", "PadV2"])
def test_pad(op):
    for dtype in dtypes(op):
        for shape, pads in PADS:
            for index in INDEX if dtype == tf.float32 else (tf.int32,):
                inputs = [values(dtype, shape), ints(np.array(pads, np.int64), index)]
                check(case(op, inputs if op == "Pad" else [*inputs, values(dtype, (), 5)]))
    check(case("PadV2", [values(tf.float32, (2,)), ints([[1, 1]]), values(tf.float32, (1,))], errors_equal=False))


def test_mirror_pad():
    for dtype in dtypes("MirrorPad"):
        for mode in ("REFLECT", "SYMMETRIC"):
            for shape, pads in [((3,), [[2, 1]]), ((3,), [[2, 2]]), ((3,), [[3, 0]]), ((3,), [[0, 4]]), ((2, 3), [[1, 1], [2, 2]]), ((2, 3), [[0, 0], [1, 0]]), ((3, 2, 4), [[1, 2], [1, 0], [3, 3]]), ((), np.zeros((0, 2))), ((2, 3), [[1, 1]]),
                                ((2, 3), [[0, 0], [-1, 0]]), ((1, 3), [[0, 0], [1, 1]]), ((1, 1), [[1, 1], [0, 0]]), ((0, 3), [[0, 0], [1, 1]])]:
                check(case("MirrorPad", [values(dtype, shape), ints(np.array(pads, np.int64))], mode=mode))
    check(case("MirrorPad", [values(tf.int8, (2, 3)), ints([[1, 1], [0, 1]], tf.int64)], mode="REFLECT"))


def test_space_to_batch():
    for dtype in dtypes("SpaceToBatchND"):
        for shape, block, pads in [((1, 4, 4, 1), [2, 2], [[0, 0], [0, 0]]), ((2, 3, 5, 2), [2, 3], [[0, 1], [1, 0]]), ((1, 4), [2], [[2, 0]]), ((3, 5), [], np.zeros((0, 2))), ((1, 2, 3, 4), [1, 1], [[0, 0], [0, 0]]), ((2, 4, 3), [3, 1], [[1, 1], [2, 0]]),
                                   ((0, 4, 4, 1), [2, 2], [[0, 0], [0, 0]]), ((1, 5, 1), [2], [[0, 0]]), ((1, 4, 1), [0], [[0, 0]]), ((1, 4, 1), [2], [[-2, 0]]), ((1, 4), [2, 2], [[0, 0], [0, 0]]), ((1, 2, 1), [4], [[5, 1]]), ((1, 6, 2, 2), [3, 2], [[0, 0], [0, 2]])]:
            check(case("SpaceToBatchND", [values(dtype, shape), ints(block), ints(np.array(pads, np.int64))]))
        for shape, block, crops in [((4, 2, 2, 1), [2, 2], [[0, 0], [0, 0]]), ((12, 2, 2, 2), [2, 3], [[1, 0], [0, 2]]), ((4, 3), [2], [[1, 0]]), ((3, 5), [], np.zeros((0, 2))), ((3, 4, 2), [3], [[0, 12]]), ((3, 4, 2), [3], [[1, 12]]), ((3, 4, 2), [2], [[0, 0]]),
                                    ((4, 2, 2, 1), [2, 2], [[-1, 0], [0, 0]]), ((0, 2, 2, 1), [2, 2], [[0, 0], [0, 0]]), ((4, 2), [2, 2], [[0, 0], [0, 0]])]:
            check(case("BatchToSpaceND", [values(dtype, shape), ints(block, tf.int64), ints(np.array(crops, np.int64), tf.int64)]))
    for dtype in dtypes("SpaceToBatch"):
        check(case("SpaceToBatch", [values(dtype, (1, 4, 4, 2)), ints([[0, 0], [1, 1]])], block_size=2))
        check(case("BatchToSpace", [values(dtype, (8, 2, 2, 2)), ints([[0, 0], [1, 1]])], block_size=2))
    check(case("SpaceToBatch", [values(tf.float32, (1, 4, 4)), ints([[0, 0], [1, 1]])], block_size=2))
    check(case("SpaceToBatch", [values(tf.float32, (1, 4, 4, 2)), ints([[0, 0], [1, 1]])], block_size=1))


def test_depth_and_space():
    for dtype in dtypes("DepthToSpace"):
        for shape, block in [((1, 2, 3, 4), 2), ((2, 1, 1, 18), 3), ((1, 2, 2, 3), 2), ((0, 2, 2, 4), 2), ((2, 2, 4), 2), ((1, 1, 1, 4), 1)]:
            check(case("DepthToSpace", [values(dtype, shape)], block_size=block))
    for dtype in dtypes("SpaceToDepth"):
        for shape, block in [((1, 2, 4, 3), 2), ((2, 3, 6, 1), 3), ((1, 3, 2, 3), 2), ((0, 2, 2, 4), 2), ((2, 2, 4), 2)]:
            check(case("SpaceToDepth", [values(dtype, shape)], block_size=block))
    # TensorFlow has depth second on its other devices only; here it is the transpose of depth last.
    from harness import as_tensor, graph_of
    from tensorferry import _core
    x = np.arange(2 * 8 * 3 * 5, dtype=np.int32).reshape(2, 8, 3, 5)
    for op, y in (("DepthToSpace", x), ("SpaceToDepth", x[:, :, :2, :4].copy())):
        one = case(op, [y], block_size=2, data_format="NCHW")
        graph, feeds, fetches, _ = graph_of(one, [as_tensor(y)])
        got = _core.GraphRunner(graph.SerializeToString()).run({"in0": y}, fetches)[0]
        want = getattr(tf.raw_ops, op)(input=y.transpose(0, 2, 3, 1), block_size=2).numpy().transpose(0, 3, 1, 2)
        assert np.array_equal(np.asarray(got), want)


def test_gather():
    for op in ("Gather", "GatherV2"):
        for dtype in dtypes(op, "Tparams"):
            for shape, indices, axis in [((5,), [0, 4, 4, 1], 0), ((5, 3), [[0, 4], [2, 2]], 0), ((5, 3), 2, 0), ((5, 3), [], 0), ((5,), [5], 0), ((5,), [-1], 0), ((0, 3), [], 0), ((0, 3), [0], 0), ((), [0], 0), ((5, 0), [1], 0), ((5, 0), [7], 0),
                                         ((2, 3), [0, 2, 1], 1), ((2, 3), [0, 2, 1], -1), ((2, 3), [[1, 0]], 1), ((2, 3, 4), [2, 0], 1), ((2, 3), [3], 1), ((2, 3), [0], 2), ((2, 3), [0], -3)]:
                if op == "Gather":
                    if axis == 0:
                        check(case(op, [values(dtype, shape), ints(indices)]))
                else:
                    check(case(op, [values(dtype, shape), ints(indices), ints(axis)]))
    for index in (tf.int16, tf.int32, tf.int64):
        for axis in INDEX:
            check(case("GatherV2", [values(tf.string, (3, 4)), ints([[3], [0]], index), ints(1, axis)]))


def test_gather_in_batches():
    for dtype in (tf.float32, tf.string, tf.complex128, tf.bool):
        for shape, places, axis, batch in [((3, 4), (3, 2), 1, 1), ((3, 4), (3,), 1, 1), ((2, 3, 4, 5), (2, 3, 2), 2, 2), ((2, 3, 4, 5), (2, 6), 2, 1), ((2, 3, 4), (2, 2, 2), 1, 1), ((2, 3, 4), (2, 2), 2, -1), ((2, 3), (3, 2), 1, 1), ((2, 3), (2, 2), 0, 1),
                                           ((2, 3), (2, 2), 1, 2), ((2, 3), (2,), 1, 3), ((0, 3), (0, 2), 1, 1), ((2, 3), (2, 0), 1, 1)]:
            rng = np.random.default_rng(3)
            check(case("GatherV2", [values(dtype, shape), tf.constant(rng.integers(0, 3, places), tf.int32), ints(axis)], batch_dims=batch))


def test_gather_nd():
    for dtype in dtypes("GatherNd", "Tparams"):
        for shape, indices in [((4,), [[0], [3]]), ((3, 4), [[0, 1], [2, 3]]), ((3, 4), [[1], [0], [1]]), ((3, 4), [[[0, 0]], [[1, 1]]]), ((3, 4), [1]), ((3, 4), [1, 2]), ((3, 4), np.zeros((2, 0))), ((3, 4), np.zeros((0, 2))), ((2, 3, 4), [[1, 2], [0, 0]]),
                               ((3, 4), [[0, 4]]), ((3, 4), [[-1, 0]]), ((3, 4), [[0, 0, 0]]), ((0, 4), np.zeros((0, 1))), ((0, 4), [[0]]), ((4,), 1), ((3, 0), [[1]])]:
            check(case("GatherNd", [values(dtype, shape), ints(np.array(indices, np.int64))]))
    for index in (tf.int16, tf.int32, tf.int64):
        for policy in ("", "DEFAULT", "ERROR", "IGNORE", "WRONG"):
            check(case("GatherNd", [values(tf.float32, (3, 4)), ints([[0, 1], [9, 0], [-1, 2]], index)], bad_indices_policy=policy))
            check(case("GatherNd", [values(tf.string, (3, 4)), ints([[2], [1]], index)], bad_indices_policy=policy))


def test_select():
    for dtype in dtypes("Select"):
        for flags, shape in [((), (2, 3)), ((3,), (3,)), ((2,), (2, 3)), ((2, 3), (2, 3)), ((0,), (0, 3)), ((3,), (2, 3)), ((2,), ()), ((2, 0), (2, 0)), ((2,), (2, 0)), ((), ())]:
            check(case("Select", [values(tf.bool, flags), values(dtype, shape, 1), values(dtype, shape, 2)]))
        for flags, yes, no in [((3,), (3,), (3,)), ((), (2, 3), (2, 3)), ((2, 1), (3,), ()), ((3,), (2, 3), (2, 1)), ((2, 3), (), ()), ((4, 1, 3), (2, 1), (1, 1, 1)), ((0, 3), (3,), (1, 3)), ((2,), (3,), (3,)), ((), (), ()), ((1,), (2, 2), (2,)),
                               ((2, 3, 2), (3, 1), (2, 1, 2))]:
            check(case("SelectV2", [values(tf.bool, flags, 3), values(dtype, yes, 1), values(dtype, no, 2)]))
    check(case("Select", [values(tf.bool, (2,)), values(tf.float32, (2, 3)), values(tf.float32, (3,))]))


def test_where():
    for dtype in dtypes("Where"):
        for shape in SHAPES + [(40,), (1, 1, 1, 1, 5)]:
            check(case("Where", [values(dtype, shape)], errors_equal=shape != () and dtype.size != 2))  # TensorFlow counts from 1 axis on, and not in float16
    for rank in (8, 9):
        # TensorFlow counts to 8 axes; ours to any number.
        check(case("Where", [tf.ones([1] * rank)], errors_equal=False))


def test_fill():
    for dtype in dtypes("Fill"):
        for dims in ([], [3], [2, 3], [0, 3], [-1]):
            for index in INDEX:
                check(case("Fill", [ints(dims, index), values(dtype, (), 3)]))
    check(case("Fill", [ints(3), values(tf.float32, ())]))
    check(case("Fill", [ints([3]), values(tf.float32, (2,))]))
    for op in ("ZerosLike", "OnesLike"):
        for dtype in dtypes(op):
            for shape in SHAPES:
                check(case(op, [values(dtype, shape)]))


def test_range():
    for dtype in dtypes("Range", "Tidx"):
        for start, limit, delta in [(0, 5, 1), (3, 18, 3), (5, 0, -1), (5, 0, -2), (0, 0, 1), (2, 1, 1), (1, 2, -1), (0, 5, 0), (0, 7, 2), (-3, 3, 1)]:
            check(case("Range", [tf.constant(x, dtype) for x in (start, limit, delta)]))
        if dtype.is_floating:
            for start, limit, delta in [(0, 1, 0.1), (0.5, 7.3, 0.7), (1, 0, -0.01), (float("nan"), 1, 1), (0, float("inf"), 1)]:
                check(case("Range", [tf.constant(x, dtype) for x in (start, limit, delta)]))
    for dtype in INDEX:
        check(case("Range", [tf.constant(x, dtype) for x in (dtype.min, dtype.max, dtype.max // 5)]))
    check(case("Range", [ints([1]), ints(3), ints(1)], errors_equal=False))


def test_lin_space():
    for dtype in (tf.float32, tf.float64):
        for start, stop, num in [(0, 1, 5), (1, 0, 3), (0, 1, 1), (2, 2, 4), (-1.5, 7.25, 100), (0, 1, 0), (0, 1, -1), (1, float("inf"), 3)]:
            for index in INDEX:
                check(case("LinSpace", [tf.constant(start, dtype), tf.constant(stop, dtype), ints(num, index)]))
    check(case("LinSpace", [tf.constant([0.0]), tf.constant(1.0), ints(3)]))


def test_one_hot():
    for dtype in dtypes("OneHot"):
        for shape, axis in [((3,), -1), ((3,), 0), ((2, 3), 1), ((2, 3), -1), ((2, 3), 0), ((), -1), ((), 0), ((0,), -1), ((2, 0), 0), ((3,), 2), ((3,), -2), ((2, 2, 2), 2)]:
            indices = np.random.default_rng(5).integers(-2, 5, shape)
            check(case("OneHot", [tf.constant(indices, tf.int64), ints(4), values(dtype, (), 1), values(dtype, (), 2)], axis=axis))
    for index in (tf.int32, tf.uint8, tf.int8):
        check(case("OneHot", [tf.constant([0, 2, 100], index), ints(3), tf.constant(1.0), tf.constant(0.0)]))
    for depth in (0, 1, -1):
        check(case("OneHot", [tf.constant([0, 2]), ints(depth), tf.constant(1.0), tf.constant(0.0)]))


def run_both(build, fetches):
    """A small TensorFlow 1 graph through both."""
    from tensorferry import _core
    with tf.Graph().as_default() as graph:
        build()
    data = graph.as_graph_def().SerializeToString()
    with tf.compat.v1.Session(graph=graph) as session:
        wanted = session.run(fetches)
    for a, b in zip(_core.GraphRunner(data).run({}, fetches), wanted):
        assert np.array_equal(np.asarray(a), b)


def test_handles_move_too():
    raw = tf.raw_ops

    def build():
        handles = [raw.VarHandleOp(dtype=tf.float32, shape=[], shared_name=f"v{i}") for i in range(3)]
        store = [raw.AssignVariableOp(resource=h, value=tf.constant(float(i))) for i, h in enumerate(handles)]
        with tf.control_dependencies(store):
            packed = raw.Pack(values=handles, axis=0)
        rows = raw.GatherV2(params=packed, indices=[2, 0, 2, 1], axis=0)
        back = raw.StridedSlice(input=rows, begin=[2], end=[0], strides=[-1], end_mask=1)
        back = raw.Transpose(x=raw.ExpandDims(input=back, axis=0), perm=[1, 0])
        tf.identity(raw.Shape(input=raw.BroadcastTo(input=packed, shape=[2, 3])), name="broadcast")
        for i, one in enumerate(raw.Unpack(value=packed, num=3)):
            tf.identity(raw.ReadVariableOp(resource=one, dtype=tf.float32), name=f"one{i}")
        tf.identity(raw.ReadVariableOp(resource=raw.GatherNd(params=back, indices=[1, 0]), dtype=tf.float32), name="picked")
        chosen = raw.SelectV2(condition=[False, True, True], t=packed, e=handles[0])
        tf.identity(raw.ReadVariableOp(resource=raw.Reshape(tensor=raw.Split(axis=0, value=chosen, num_split=3)[2], shape=[]), dtype=tf.float32), name="chosen")
    run_both(build, ["broadcast:0", "one0:0", "one2:0", "picked:0", "chosen:0"])
