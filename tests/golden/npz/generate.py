"""Writes the npz goldens beside this file with NumPy and SciPy, and the damaged ones under bad/. Run by hand; see versions.txt."""
import io
import pathlib
import struct
import sys
import zipfile

import numpy as np
import scipy
import scipy.sparse as sp

HERE = pathlib.Path(__file__).parent
BAD = HERE / "bad"

arrays = {"a": np.arange(6, dtype=np.int32).reshape(2, 3), "folder/b": np.array([1.5, -2]), "c": np.array([b"x", b"yz"])}
np.savez(HERE / "savez.npz", **arrays)
np.savez_compressed(HERE / "savez_compressed.npz", **arrays)
np.savez(HERE / "positional.npz", np.float32(1), np.arange(3))
np.savez(HERE / "empty.npz")

# [[0 1 0 2], [0 0 0 0], [3 0 4 0], [0 0 0 5]]
matrix = sp.csr_matrix(np.array([[0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 5]], dtype=np.float32))
for layout in ("csr", "csc", "coo", "bsr", "dia"):
    sp.save_npz(HERE / f"scipy_{layout}.npz", matrix.asformat(layout), compressed=layout in ("csc", "dia"))
sp.save_npz(HERE / "scipy_csr_array.npz", sp.csr_array(matrix))
sp.save_npz(HERE / "scipy_bsr_blocks.npz", sp.bsr_array(np.kron(np.eye(2), np.ones((2, 3))), blocksize=(2, 3)))
sp.save_npz(HERE / "scipy_coo_3d.npz", sp.coo_array((np.array([1.0, 2.0]), ([0, 1], [1, 1], [2, 0])), shape=(2, 3, 4)))
sp.save_npz(HERE / "scipy_coo_1d.npz", sp.coo_array((np.array([1.0, 2.0]), ([0, 3],)), shape=(5,)))
sp.save_npz(HERE / "scipy_csr_1d.npz", sp.csr_array(np.array([0, 1.0, 2.0])))
np.savez(
    HERE / "parts.npz",
    **{
        "x/indices": np.array([[0, 1], [2, 0]]), "x/values": np.array([2.0, 5.0], np.float32), "x/dense_shape": np.array([3, 4]),
        "y.values": np.arange(3), "y.row_splits": np.array([0, 2, 2, 3]),
        "z/bytes": np.frombuffer(b"a\0bc", np.uint8), "z/offsets": np.array([0, 2, 4]),
        "plain": np.zeros(2),
    },
)


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def archive(members, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        for name, data in members:
            z.writestr(zipfile.ZipInfo(name), data, method)
    return bytearray(out.getvalue())


def poke(data, at, fmt, value):
    data = bytearray(data)
    struct.pack_into(fmt, data, at, value)
    return data


def bad(name, data, expected):
    (BAD / name).write_bytes(data)
    (BAD / f"{name}.expected").write_text(expected + "\n")


one = archive([("x.npy", npy(np.arange(4.0)))])
two = archive([("x.npy", npy(np.arange(4.0))), ("y.npy", npy(np.arange(4.0)))])
central = one.index(b"PK\1\2")
end = one.index(b"PK\5\6")
deflated = archive([("x.npy", npy(np.zeros(4000)))], zipfile.ZIP_DEFLATED)
deflated_central = deflated.index(b"PK\1\2")
objects = io.BytesIO()
np.save(objects, np.array([None]), allow_pickle=True)

bad("truncated.npz", one[:-1], "has no end record of a zip archive in its last bytes: cut short, or not a zip file")
bad("half.npz", one[: len(one) // 2], "has no end record of a zip archive in its last bytes: cut short, or not a zip file")
bad("tiny.npz", b"PK\5\6", "is 4 bytes long, a zip archive has at least 22")
bad("directory_offset.npz", poke(one, end + 16, "<I", 7), "central directory is said to take")
bad("count.npz", poke(poke(one, end + 10, "<H", 9), end + 8, "<H", 9), "9 members are announced, the central directory's")
bad("signature.npz", poke(one, central, "<I", 0), "entry 0 of the central directory does not begin with its signature")
bad("encrypted.npz", poke(poke(one, central + 8, "<H", 1), 6, "<H", 1), "member 'x.npy' is encrypted; decrypt the archive first")
bad("method.npz", poke(poke(one, central + 10, "<H", 12), 8, "<H", 12), "member 'x.npy' is compressed by method 12")
bad("local_name.npz", poke(one, 30, "<B", 0x79), "member 'x.npy' has another name in its local header")
bad("local_size.npz", poke(one, 18, "<I", 3), "member 'x.npy' has another size in its local header")
bad("local_offset.npz", poke(one, central + 42, "<I", 1 << 30), "member 'x.npy' is said to begin at byte 1073741824")
bad("duplicate.npz", bytes(two).replace(b"y.npy", b"x.npy"), "member 'x.npy' is there twice, as entries 0 and 1")
overlap = bytearray(two)
first = overlap.index(b"PK\1\2")
for at in (18, 22, first + 20, first + 24):
    struct.pack_into("<I", overlap, at, 200)
bad("overlap.npz", overlap, "member 'y.npy' begins here, inside member 'x.npy'")
long = bytearray(one)
for at in (18, 22, central + 20, central + 24):
    struct.pack_into("<I", long, at, 0x7FFFFFFF)
bad("long_member.npz", long, "member 'x.npy' is said to have 2147483647 bytes")
flipped = bytearray(deflated)
flipped[deflated_central - 3] ^= 0x55
bad("deflate.npz", flipped, "member 'x.npy'")
bad("crc.npz", poke(poke(deflated, 14, "<I", 1), deflated_central + 16, "<I", 1), "expected 1: its bytes are damaged")
bomb = poke(poke(deflated, 22, "<I", 0xFFFFFF00), deflated_central + 24, "<I", 0xFFFFFF00)
bad("bomb.npz", bomb, "member 'x.npy'")
bad("object.npz", archive([("x.npy", objects.getvalue())]), "member 'x.npy': holds Python objects (dtype object)")
bad("pickle.npz", archive([("x.npy", b"\x80\x04]\x94.")]), "member 'x.npy': is a Python pickle")
bad("no_arrays.npz", archive([("a.txt", b"hello")]), "is a zip archive of 1 members, none of them an .npy array")


def savez(name, expected, **members):
    out = io.BytesIO()
    np.savez(out, **members)
    bad(name, out.getvalue(), expected)


csr = dict(format=b"csr", shape=np.array([2, 3]), data=np.ones(2), indices=np.array([0, 1], np.int32), indptr=np.array([0, 1, 2], np.int32))
savez("scipy_nnz.npz", "the members of a SciPy sparse matrix do not fit together: data float64[3]", **{**csr, "data": np.ones(3)})
savez("scipy_rows.npz", "indptr has 3 elements, expected one more than the rows of shape [5, 3]", **{**csr, "shape": np.array([5, 3])})
savez("scipy_column.npz", "entry 1 is in column 7, outside shape [2, 3]", **{**csr, "indices": np.array([0, 7], np.int32)})
savez("scipy_indptr.npz", "indptr falls from 2 to 1", **{**csr, "indptr": np.array([0, 2, 1], np.int32)})
savez("scipy_format.npz", "SciPy's format is 'lil', which is not what the arrays beside it make", **{**csr, "format": b"lil"})
savez("scipy_negative.npz", "dense_shape [2, -3] has a negative axis", **{**csr, "shape": np.array([2, -3])})
savez("index.npz", "entry 0 is at [5, 0], outside shape [3, 4]",
      **{"x/indices": np.array([[5, 0]]), "x/values": np.ones(1), "x/dense_shape": np.array([3, 4])})
savez("splits.npz", "row_splits at level 0 end at 9, expected 3", **{"y/values": np.arange(3), "y/row_splits": np.array([0, 9])})
savez("offsets.npz", "string offset 9 is not between 0 and the 2 string bytes",
      **{"z/bytes": np.zeros(2, np.uint8), "z/offsets": np.array([0, 9])})

(HERE / "versions.txt").write_text(f"python {sys.version.split()[0]}\nnumpy {np.__version__}\nscipy {scipy.__version__}\n")
