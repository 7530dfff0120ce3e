"""Writes the goldens of `tfrecord` beside this file with TensorFlow, and the damaged ones under bad/. See versions.txt."""
import pathlib
import struct

import tensorflow as tf
from tensorflow.train import BytesList, Example, Feature, FeatureList, FeatureLists, Features, FloatList, Int64List, SequenceExample

HERE = pathlib.Path(__file__).parent
ints = lambda *v: Feature(int64_list=Int64List(value=v))
floats = lambda *v: Feature(float_list=FloatList(value=v))
texts = lambda *v: Feature(bytes_list=BytesList(value=v))
example = lambda **f: Example(features=Features(feature=f)).SerializeToString(deterministic=True)
sequence = lambda context, **lists: SequenceExample(
    context=Features(feature=context),
    feature_lists=FeatureLists(feature_list={k: FeatureList(feature=v) for k, v in lists.items()})).SerializeToString(deterministic=True)


def save(name, records, compression=None):
    path = HERE / f"{name}.tfrecord"
    with tf.io.TFRecordWriter(str(path), compression) as out:
        for r in records:
            out.write(r)
    return path.read_bytes()


ROWS = [example(age=ints(20 + i), image=floats(i, i + 0.5, -i), name=texts(f"n{i}".encode()), ids=ints(*range(i)),
                **{"x/indices": ints(*range(0, 2 * i, 2)), "x/values": floats(*[0.5] * i), "x/dense_shape": ints(10)}) for i in range(4)]
good = save("examples", ROWS)
save("gzip", ROWS, "GZIP")
save("zlib", ROWS, "ZLIB")
save("pairs", [example(indices=ints(1, 5), values=floats(1, 2)), example(indices=ints(0), values=floats(3)), example()])
save("missing", [example(a=ints(1)), example(b=floats(2)), example(a=ints(3, 4), b=floats(5))])
save("sequences", [sequence({"id": ints(1)}, tokens=[ints(1, 2), ints()], words=[texts(b"a")]), sequence({"id": ints(2)}, tokens=[ints(3)]),
                   sequence({"id": ints(3)})])
save("one", ROWS[2:3])
save("bytes", [b"hello", b"", b"not an Example"])
save("empty_records", [b"", b""])
(HERE / "none.tfrecord").write_bytes(b"")

flipped = bytearray(good)
flipped[len(good) // 2] ^= 4
SPLIT = 16 + struct.unpack("<Q", good[:8])[0]
BAD = {
    "flipped": (bytes(flipped), "do not fit their checksum; the record is damaged"),
    "cut": (good[:-9], "record 3: "),
    "cut_header": (good[:SPLIT + 5], "record 1: the file ends after 5 bytes of its 12-byte header"),
    "no_frames": (b"label,value\n1,2\n", "this is no TFRecord file"),
    "kinds": (save("kinds", [example(a=ints(1)), example(a=floats(2))]), "record 1: feature 'a': found float_list, expected int64_list as before"),
    "not_an_example": (save("not_an_example", [example(a=ints(1)), b"hello"]), "record 1: "),
}
for name, (data, sentence) in BAD.items():
    (HERE / "bad" / f"{name}.tfrecord").write_bytes(data)
    (HERE / "bad" / f"{name}.tfrecord.expected").write_text(sentence + "\n")
    (HERE / f"{name}.tfrecord").unlink(missing_ok=True)
(HERE / "versions.txt").write_text(f"tensorflow {tf.__version__}\n")
