"""Writes the goldens of `example` beside this file with TensorFlow, and the damaged ones under bad/. See versions.txt."""
import pathlib

import tensorflow as tf
from tensorflow.train import BytesList, Example, Feature, FeatureList, FeatureLists, Features, FloatList, Int64List, SequenceExample

HERE = pathlib.Path(__file__).parent
ints = lambda *v: Feature(int64_list=Int64List(value=v))
floats = lambda *v: Feature(float_list=FloatList(value=v))
texts = lambda *v: Feature(bytes_list=BytesList(value=v))
example = lambda **f: Example(features=Features(feature=f)).SerializeToString(deterministic=True)


def save(name, data):
    (HERE / f"{name}.example").write_bytes(data)


save("scalars", example(age=ints(42), income=floats(1234.5), name=texts(b"Ann")))
save("lists", example(ids=ints(3, -1, 2**62), weights=floats(0.5, -1.5), words=texts(b"a", b"", b"\xff\x00"), none=Feature(), no_ints=ints()))
save("sparse", example(**{"x/indices": ints(2, 7), "x/values": floats(1.5, -2), "x/dense_shape": ints(10), "label": ints(1)}))
save("sparse_pairs", example(**{"x_indices": ints(2, 7), "x_values": floats(1.5, -2)}))
save("sparse_axes", example(**{"x/indices_0": ints(0, 2), "x/indices_1": ints(1, 3), "x/values": ints(5, 6), "x/dense_shape": ints(3, 4)}))
save("image", example(image=floats(*range(6)), **{"image/shape": ints(2, 3)}))
save("sequence", SequenceExample(
    context=Features(feature={"id": ints(7)}),
    feature_lists=FeatureLists(feature_list={
        "tokens": FeatureList(feature=[ints(1, 2), ints(), ints(3)]),
        "words": FeatureList(feature=[texts(b"a"), texts(b"b", b"c")]),
    })).SerializeToString(deterministic=True))
save("sequence_only_lists", SequenceExample(feature_lists=FeatureLists(feature_list={"frames": FeatureList(feature=[floats(1, 2), floats(3, 4)])}))
     .SerializeToString(deterministic=True))
save("sequence_same_name", SequenceExample(context=Features(feature={"x": ints(7)}),
                                           feature_lists=FeatureLists(feature_list={"x": FeatureList(feature=[ints(1, 2), ints(3)])}))
     .SerializeToString(deterministic=True))
# Lists that are not packed, as other writers may have them; a key twice: the last one counts.
entry = lambda key, feature: b"\x0a" + bytes([len(key) + len(feature) + 4]) + b"\x0a" + bytes([len(key)]) + key + b"\x12" + bytes([len(feature)]) + feature
unpacked = entry(b"a", b"\x1a\x04\x08\x05\x08\x06") + entry(b"b", b"\x12\x05\x0d\x00\x00\x80\x3f") + entry(b"a", b"\x1a\x02\x08\x09")
save("unpacked_twice", b"\x0a" + bytes([len(unpacked)]) + unpacked)

good = example(a=ints(1, 2, 3))
BAD = {
    "cut": good[:-1],
    "varint": entry(b"a", b"\x1a\x04\x0a\x02\x01\x80"),
    "floats": entry(b"a", b"\x12\x05\x0a\x03\x00\x00\x00"),
    "key": entry(b"\xff", b"\x1a\x02\x08\x09"),
    "kinds": None,
    "outside": None,
}
EXPECTED = {
    "cut": "announces 17 bytes, only 16 remain" if len(good) == 19 else f"announces {len(good) - 2} bytes, only {len(good) - 3} remain",
    "varint": "feature 'a': the packed values end inside a value",
    "floats": "feature 'a': the packed values end inside a value",
    "key": "the name of a feature is not UTF-8",
    "kinds": "feature 'x': found float_list, expected int64_list as before",
    "outside": "tensor 'x': ",
}
for name in ("varint", "floats", "key"):
    BAD[name] = b"\x0a" + bytes([len(BAD[name])]) + BAD[name]
BAD["kinds"] = SequenceExample(feature_lists=FeatureLists(feature_list={"x": FeatureList(feature=[ints(1), floats(2)])})).SerializeToString()
BAD["outside"] = example(**{"x/indices": ints(2, 10), "x/values": floats(1.5, -2), "x/dense_shape": ints(10)})
for name, data in BAD.items():
    (HERE / "bad" / f"{name}.example").write_bytes(data)
    (HERE / "bad" / f"{name}.example.expected").write_text(EXPECTED[name] + "\n")
(HERE / "versions.txt").write_text(f"tensorflow {tf.__version__}\n")
