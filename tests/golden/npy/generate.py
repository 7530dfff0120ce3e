"""Writes the npy goldens beside this file with numpy.save, and the damaged ones under bad/. Run by hand; see versions.txt."""
import io
import pathlib
import struct
import sys

import ml_dtypes
import numpy as np

HERE = pathlib.Path(__file__).parent
BAD = HERE / "bad"


def save(name, array):
    with open(HERE / f"{name}.npy", "wb") as f:
        np.save(f, array, allow_pickle=False)


def sample(dtype, shape=(2, 3)):
    count = int(np.prod(shape))
    values = np.arange(count) - 2 if np.dtype(dtype).kind in "ifc" else np.arange(count) % 5
    return values.astype(dtype).reshape(shape)


for name in "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128".split():
    save(name, sample(name))
for name in "bfloat16 float8_e4m3fn".split():
    save(name, np.array([0, 1, -2, 0.5], dtype=getattr(ml_dtypes, name)))
for name, base in {"qint8": "i1", "quint8": "u1", "qint16": "<i2", "quint16": "<u2", "qint32": "<i4"}.items():
    save(name, np.arange(3, dtype=base).view([(name, base)]))
save("scalar", np.array(2.5, dtype=np.float32))
save("empty", np.zeros((0, 3), dtype=np.int32))
save("fortran", np.asfortranarray(np.arange(24, dtype=np.int32).reshape(2, 3, 4)))
save("big_endian", np.arange(4, dtype=">f8"))
save("big_endian_complex", np.array([1 + 2j], dtype=">c8"))
save("bytes", np.array([[b"a", b"bc"], [b"", b"d\0e"]]))
save("unicode", np.array(["häh", "", "\U0001f600"]))
save("long_header", np.zeros((1,) * 30, dtype=np.int8))
np.lib.format.write_array(open(HERE / "version2.npy", "wb"), np.arange(3, dtype=np.int16), version=(2, 0))
np.lib.format.write_array(open(HERE / "version3.npy", "wb"), np.arange(3, dtype=np.int16), version=(3, 0))


def bad(name, data, expected):
    (BAD / name).write_bytes(data)
    (BAD / f"{name}.expected").write_text(expected + "\n")


def raw(header, data=b"", version=1):
    text = header.encode() + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + data


def header(descr="'<f4'", shape="(2,)", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


good = io.BytesIO()
np.save(good, np.arange(2, dtype=np.float32))
good = good.getvalue()
objects = io.BytesIO()
np.save(objects, np.array([None]), allow_pickle=True)
dates = io.BytesIO()
np.save(dates, np.array(["2020-01-01"], dtype="M8[D]"))

bad("magic.npy", b"X" + good[1:], "does not begin with the npy magic")
bad("version.npy", good[:6] + b"\4" + good[7:], "is npy version 4.0; 1.0, 2.0 and 3.0 are read")
bad("short.npy", good[:9], "is 9 bytes long, an npy array begins with 10")
bad("header_length.npy", good[:8] + b"\xff\xff" + good[10:], "header length 65535 exceeds the 136-byte file")
bad("truncated.npy", good[:-1], "shape [2] needs 8 bytes of elements, only 7 remain")
bad("trailing.npy", good + good, "the array of shape [2] ends here, 136 bytes follow")
bad("pickle.npy", b"\x80\x04]\x94.", "is a Python pickle, not an npy array; pickles are never executed")
bad("object.npy", objects.getvalue(), "holds Python objects (dtype object), whose bytes are a pickle; pickles are never executed")
bad("dates.npy", dates.getvalue(), "elements are dates ('<M8[D]'), for which there is no tensor dtype; save x.astype('int64')")
bad("record.npy", raw(header("[('a', '<f4'), ('b', '<i4')]"), bytes(16)), "save each field as an array of its own")
bad("long_double.npy", raw(header("'<f16'", "(1,)"), bytes(16)), "elements are long doubles")
bad("void.npy", raw(header("'|V5'", "(1,)"), bytes(5)), "elements are 5 raw bytes each")
bad("descr.npy", raw(header("'<q4'"), bytes(8)), "descr '<q4' is no NumPy dtype")
bad("negative.npy", raw(header(shape="(-2,)"), bytes(8)), "axis 0 has the negative length -2")
bad("ten_terabytes.npy", raw(header(shape="(2500000000000,)"), bytes(8)), "needs 10000000000000 bytes of elements, only 8 remain")
bad("overflow.npy", raw(header(shape="(4294967296, 4294967296)"), bytes(8)), "has more elements than 63 bits can count")
bad("big_number.npy", raw(header(shape="(99999999999999999999,)"), bytes(8)), "header has a number of more than 63 bits")
bad("shape.npy", raw(header(shape="[2]"), bytes(8)), "shape is '[2]', expected a tuple")
bad("order.npy", raw(header(order="1"), bytes(8)), "fortran_order is '1', expected True or False")
bad("missing_key.npy", raw("{'descr': '<f4', 'shape': (2,)}", bytes(8)), "header has no key 'fortran_order'")
bad("extra_key.npy", raw(header()[:-1] + "'x': 1}", bytes(8)), "header has the key 'x', expected only")
bad("twice.npy", raw(header()[:-1] + "'shape': (2,)}", bytes(8)), "header has the key 'shape' twice")
bad("code.npy", raw("__import__('os').abort()", bytes(8)), "expected a Python literal")
bad("nested.npy", raw("(" * 100), "header is nested more than 32 levels deep")
bad("bool.npy", raw(header("'|b1'"), b"\1\2"), "bool element 1 is 2, expected 0 or 1")
bad("surrogate.npy", raw(header("'<U1'", "(1,)"), struct.pack("<I", 0xD800)), "string 0 holds half a surrogate pair")
bad("code_point.npy", raw(header("'<U1'", "(1,)"), struct.pack("<I", 0x110000)), "which is no Unicode code point")
bad("zero_width.npy", raw(header("'|S0'", "(100000000,)")), "of strings of width 0 exceeds the limit")

(HERE / "versions.txt").write_text(f"python {sys.version.split()[0]}\nnumpy {np.__version__}\nml_dtypes {ml_dtypes.__version__}\n")
