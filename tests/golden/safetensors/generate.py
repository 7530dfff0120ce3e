"""Writes the safetensors goldens beside this file with the safetensors library, NumPy and PyTorch, and the damaged ones under bad/.
Run by hand; see versions.txt."""
import json
import pathlib
import struct
import sys

import numpy as np
import safetensors
import safetensors.numpy
import safetensors.torch
import torch

HERE = pathlib.Path(__file__).parent
BAD = HERE / "bad"

x = np.arange(6, dtype=np.float32).reshape(2, 3)
safetensors.numpy.save_file({"x": x}, HERE / "one.safetensors")
safetensors.numpy.save_file({}, HERE / "empty.safetensors")
safetensors.numpy.save_file(
    {"layer.0.weight": x, "layer.0.bias": np.array([1, -1], np.float64), "steps": np.array(7, np.int64), "none": np.zeros((0, 4), np.float16),
     "mask": np.array([True, False, True]), "färbe": np.arange(3, dtype=np.uint8)},
    HERE / "named.safetensors", metadata={"format": "np", "made by": "hand \"and\" foot\n"})

torch_dtypes = {
    "bool": torch.tensor([True, False]), "uint8": torch.arange(3, dtype=torch.uint8), "int8": torch.arange(-1, 2, dtype=torch.int8),
    "int16": torch.arange(-1, 2, dtype=torch.int16), "int32": torch.arange(-1, 2, dtype=torch.int32), "int64": torch.arange(-1, 2),
    "uint16": torch.tensor([0, 1, 2], dtype=torch.uint16), "uint32": torch.tensor([0, 1, 2], dtype=torch.uint32), "uint64": torch.tensor([0, 1, 2], dtype=torch.uint64),
    "float16": torch.tensor([1.5, -2], dtype=torch.float16), "bfloat16": torch.tensor([1.5, -2, 3e38], dtype=torch.bfloat16),
    "float32": torch.tensor([0.1, float("nan"), float("inf")]), "float64": torch.tensor([0.1, 1e300], dtype=torch.float64),
    "complex64": torch.tensor([1 + 2j, -0.5]), "float8_e4m3fn": torch.tensor([1.5, -448]).to(torch.float8_e4m3fn),
    "float8_e5m2": torch.tensor([1.5, -57344]).to(torch.float8_e5m2), "float8_e4m3fnuz": torch.tensor([1.5, -240]).to(torch.float8_e4m3fnuz),
    "float8_e5m2fnuz": torch.tensor([1.5, -57344]).to(torch.float8_e5m2fnuz), "float8_e8m0fnu": torch.tensor([1.0, 4]).to(torch.float8_e8m0fnu),
    "scalar": torch.tensor(2.5), "rank5": torch.zeros(1, 2, 1, 2, 1, dtype=torch.int16),
}
safetensors.torch.save_file(torch_dtypes, HERE / "torch.safetensors", metadata={"format": "pt"})


def spec(dtype, shape, data):
    return safetensors.TensorSpec(dtype=dtype, shape=shape, data_ptr=data.ctypes.data, data_len=data.nbytes)


# What NumPy has no dtypes for goes in as bytes. F4 of 0 1 2 … 7 and their negatives: codes 0 to 15, the first in the low half.
f4 = np.array([lo | (lo + 1) << 4 for lo in range(0, 16, 2)], np.uint8)
(HERE / "small_floats.safetensors").write_bytes(safetensors.serialize(
    {"f4": spec("float4_e2m1fn_x2", [2, 4], f4)}, None))

safetensors.numpy.save_file(
    {"x/indices": np.array([[0, 1], [2, 0]]), "x/values": np.array([2.0, 5.0], np.float32), "x/dense_shape": np.array([3, 4]),
     "y.values": np.arange(3), "y.row_splits": np.array([0, 2, 2, 3]), "z/bytes": np.frombuffer(b"a\0bc", np.uint8),
     "z/offsets": np.array([0, 2, 4]), "plain": np.zeros(2)}, HERE / "parts.safetensors", metadata={"x/unit": "m/s"})


def build(header, data=b"", size=None):
    text = header if isinstance(header, bytes) else header.encode() if isinstance(header, str) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


# Shapes that the library reads and JSON writers other than it produce: white space, another order of fields, unknown fields.
(HERE / "by_hand.safetensors").write_bytes(build(
    '{ "b" : {"data_offsets":[4,8], "shape": [ 1 ],\n "dtype":"I32", "note":{"deep":[1,"x",null,true]}},\n'
    '"__metadata__": {"k":"\\u00e4\\ud83d\\ude00"}, "a":{"dtype":"F32","shape":[],"data_offsets":[0,4]} }\n  ', struct.pack("<fi", 1.5, -7)))
# The types that no framework writes yet, from the library's list.
(HERE / "f6.safetensors").write_bytes(build(
    {"a": entry("F6_E2M3", (2, 4), (0, 6)), "b": entry("F6_E3M2", (4,), (6, 9)), "c": entry("F8_E8M0", (2,), (9, 11)),
     "d": entry("F4", (3, 2), (11, 14))}, bytes(range(14))))

bad = {
    "overlap": (build({"a": entry(shape=(2,), offsets=(0, 8)), "b": entry(offsets=(4, 8))}, bytes(8)),
                "tensors 'a' and 'b' overlap: the second begins at byte 4 of the data, the first ends at 8"),
    "same_place": (build({"a": entry(), "b": entry()}, bytes(4)), "tensors 'a' and 'b' overlap"),
    "hole": (build({"a": entry(), "b": entry(offsets=(8, 12))}, bytes(12)), "tensor 'b': begins at byte 8 of the data, expected 4"),
    "first_hole": (build({"a": entry(offsets=(4, 8))}, bytes(8)), "tensor 'a': begins at byte 4 of the data, expected 0"),
    "past_the_end": (build({"a": entry(shape=(4,), offsets=(0, 16))}, bytes(12)),
                     "tensor 'a': data_offsets [0, 16] end past the 12 bytes after the header"),
    "trailing": (build({"a": entry()}, bytes(6)), "the tensors end at byte 4 of the data, 2 bytes follow"),
    "no_tensors_but_data": (build({}, b"x"), "the tensors end at byte 0 of the data, 1 bytes follow"),
    "size": (build({"a": entry(shape=(2,))}, bytes(4)), "tensor 'a': data_offsets [0, 4] are 4 bytes, shape [2] of F32 needs 8"),
    "turned": (build({"a": entry(offsets=(4, 0))}, bytes(4)), "tensor 'a': data_offsets [4, 0] end before they begin"),
    "three_offsets": (build({"a": entry(offsets=(0, 4, 4))}, bytes(4)), "tensor 'a': data_offsets are not [begin, end]"),
    "duplicate": (build('{"a":%s,"a":%s}' % ((json.dumps(entry()),) * 2), bytes(4)), "two tensors are named 'a'"),
    "duplicate_field": (build('{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)), "tensor 'a': dtype is there twice"),
    "duplicate_metadata": (build('{"__metadata__":{},"__metadata__":{}}'), "__metadata__ is there twice"),
    "duplicate_key": (build('{"__metadata__":{"k":"1","k":"2"}}'), "__metadata__ has 'k' twice"),
    "metadata_number": (build({"__metadata__": {"k": 1}}), "__metadata__ 'k' is no string"),
    "missing_field": (build({"a": {"dtype": "F32", "shape": [1]}}, bytes(4)), "tensor 'a': has no data_offsets"),
    "dtype": (build({"a": entry("F33")}, bytes(4)), "tensor 'a': dtype 'F33' is none of safetensors'"),
    "negative": (build({"a": entry(shape=(-1,))}, bytes(4)), "shape has an element that is no whole number from 0 up"),
    "fraction": (build({"a": entry(shape=(1.0,))}, bytes(4)), "shape has an element that is no whole number from 0 up"),
    "overflow": (build({"a": entry(shape=(2**62, 4))}, bytes(4)), "tensor 'a': shape [4611686018427387904, 4] of F32 needs more than 2^64 bits"),
    "overflow_bits": (build({"a": entry("F64", (2**60,))}, bytes(4)), "tensor 'a': shape [1152921504606846976] of F64 needs more than 2^64 bits"),
    "too_long": (build('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,99999999999999999999]}}', bytes(4)),
                 "data_offsets has a number that 64 bits cannot hold"),
    "half_byte": (build({"a": entry("F4", (3,), (0, 2))}, bytes(2)), "tensor 'a': shape [3] of F4 does not fill whole bytes"),
    "bool": (build({"a": entry("BOOL", (4,))}, b"\0\1\2\1"), "tensor 'a': bool element 2 is 2, expected 0 or 1"),
    "short": (b"\0\0\0", "is 3 bytes long, a safetensors file begins with 8 bytes of header length"),
    "length": (build("{}", size=3), "the header length 3 exceeds the 2 bytes that follow"),
    "bomb": (build("{}", size=100_000_001), "the header length 100000001 exceeds the 100000000 bytes that safetensors allows"),
    "huge": (build("{}", size=2**64 - 1), "the header length 18446744073709551615 exceeds the 100000000 bytes that safetensors allows"),
    "no_object": (build("[]"), "the header does not begin with {, expected a JSON object"),
    "white_space_first": (build(" {}"), "the header does not begin with {, expected a JSON object"),
    "cut_json": (build('{"a":{"dtype":"F32"'), "the JSON text ends here"),
    "after": (build("{} x"), "expected the end of the text"),
    "not_utf8": (build(b'{"\xff":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), "not UTF-8"),
    "deep": (build('{"a":{"x":' + "[" * 100000), "nested deeper than"),
}
BAD.mkdir(exist_ok=True)
for name, (data, sentence) in bad.items():
    (BAD / f"{name}.safetensors").write_bytes(data)
    (BAD / f"{name}.safetensors.expected").write_text(sentence + "\n")

(HERE / "versions.txt").write_text(
    f"python {sys.version.split()[0]}\nsafetensors {safetensors.__version__}\nnumpy {np.__version__}\ntorch {torch.__version__}\n")
