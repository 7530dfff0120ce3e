"""Writes the zarr goldens (zip stores) beside this file, and the damaged ones under bad/. Run twice by hand, see versions.txt:
with zarr-python 3 and anndata for version 3, with zarr-python 2 for version 2."""
import pathlib
import sys
import zipfile

import numcodecs
import numpy as np
import zarr

HERE = pathlib.Path(__file__).parent
BAD = HERE / "bad"
BAD.mkdir(exist_ok=True)
x = np.arange(60, dtype=np.int32).reshape(6, 10)


def repack(name, store):
    """One order and one date, so that the bytes do not depend on the day."""
    with zipfile.ZipFile(HERE / name, "w") as z:
        for key in sorted(store, key=lambda k: (k.count("/"), "zarr.json" not in k and "/.z" not in "/" + k, k)):
            z.writestr(zipfile.ZipInfo(key, (1980, 1, 1, 0, 0, 0)), store[key])


def bad(name, members, expected):
    with zipfile.ZipFile(BAD / name, "w") as z:
        for member, data in members.items():
            z.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), data)
    (BAD / (name + ".expected")).write_text(expected + "\n")


def version_2():
    store = {}
    g = zarr.group(store=store)
    g.attrs["made by"] = "zarr 2"
    for name, compressor in {"raw": None, "zlib": numcodecs.Zlib(), "gzip": numcodecs.GZip(), "zstd": numcodecs.Zstd(),
                             "lz4": numcodecs.LZ4(), "blosc": numcodecs.Blosc("lz4", shuffle=1)}.items():
        g.array(f"codecs/{name}", x, chunks=(4, 4), compressor=compressor)
    g.array("fortran", x, chunks=(4, 4), order="F")
    g.array("nested", x, chunks=(4, 4), dimension_separator="/")
    g.array("big_endian", x.astype(">f8"), chunks=(4, 4))
    g.array("complex", np.array([1 - 2j], np.complex64))
    g.array("bool", np.array([True, False]))
    g.array("fixed", np.array([b"ab", b"c"]))
    g.array("wide", np.array(["h\u00e9", "x"]))
    g.array("words", np.array(["h\u00e9llo", "", "x"], object), object_codec=numcodecs.VLenUTF8())
    g.array("when", np.array(["2020-01-01"], "M8[D]"))
    g.array("filters", x[0], filters=[numcodecs.Delta("<i4"), numcodecs.Shuffle(4)], compressor=numcodecs.Zlib())
    g.full("missing", shape=(3, 4), chunks=(2, 2), dtype="f4", fill_value=np.nan)
    g.full("null", shape=(2,), dtype="i2", fill_value=None)[:] = 3
    g.full("infinite", shape=(2,), dtype="f8", fill_value=-np.inf)
    g.array("scalar", np.float32(2.5))
    g.array("empty", np.zeros((0, 3)))
    g["raw_view"] = x[0]
    g["codecs/raw"].attrs["unit"] = "m/s"
    repack("v2.zarr.zip", dict(store))
    zarr.consolidate_metadata(store)
    repack("v2_consolidated.zarr.zip", {k: v for k, v in store.items() if not k.endswith((".zarray", ".zattrs", ".zgroup")) or k == ".zgroup"})
    array = {}
    zarr.array(x, store=array, chunks=(4, 4), compressor=None)
    repack("v2_array.zarr.zip", array)
    meta = '{"zarr_format":2,"shape":[%s],"chunks":[%s],"dtype":"%s","compressor":%s,"fill_value":0,"order":"C","filters":null}'
    root = {".zgroup": '{"zarr_format":2}'}
    bad("huge.zarr.zip", root | {"x/.zarray": meta % (10**12, 10**6, "<f4", "null")}, "array 'x': shape [1000000000000] takes 4000000000000 bytes, more than")
    bad("bomb.zarr.zip", root | {"x/.zarray": meta % (10**9, 10**6, "<f4", "null")}, "max_expansion_ratio")
    bad("short.zarr.zip", root | {"x/.zarray": meta % (4, 4, "<f4", "null"), "x/0": b"abc"}, "array 'x': chunk x/0 has 3 bytes, expected 16")
    bad("zlib.zarr.zip", root | {"x/.zarray": meta % (4, 4, "<f4", '{"id":"zlib"}'), "x/0": b"abc"}, "array 'x': chunk x/0: not valid zlib or gzip data")
    bad("bz2.zarr.zip", root | {"x/.zarray": meta % (4, 4, "<f4", '{"id":"bz2"}'), "x/0": b"abc"}, "array 'x': its chunks went through the codec 'bz2', which is not read")
    bad("object.zarr.zip", root | {"x/.zarray": meta % (4, 4, "|O", "null")}, "array 'x': its elements are Python objects")
    bad("rank.zarr.zip", root | {"x/.zarray": meta % (4, "4,4", "<f4", "null")}, "array 'x': chunks have 2 axes and the array has 1")
    bad("zero_chunk.zarr.zip", root | {"x/.zarray": meta % (4, 0, "<f4", "null")}, "the member 'chunks' is '[0]', expected a list of lengths")
    bad("json.zarr.zip", {".zarray": "{"}, "data_loss: .zarray: ")
    bad("bool.zarr.zip", root | {"x/.zarray": meta % (2, 2, "|b1", "null"), "x/0": b"\0\2"}, "bool element 1 is 2, expected 0 or 1")


def version_3():
    import anndata
    import scipy.sparse as sp
    from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec
    from zarr.storage import MemoryStore

    def members(store):
        return {k: v.to_bytes() for k, v in store._store_dict.items()}

    store = MemoryStore()
    g = zarr.open_group(store, mode="w", zarr_format=3)
    g.attrs["made by"] = "zarr 3"
    for name, compressors in {"raw": None, "gzip": GzipCodec(), "zstd": ZstdCodec(), "blosc": BloscCodec(cname="zstd", shuffle="bitshuffle", typesize=4),
                              "crc32c": Crc32cCodec()}.items():
        a = g.create_array(f"codecs/{name}", shape=x.shape, chunks=(4, 4), dtype="i4", compressors=compressors)
        a[:] = x
    g["codecs/raw"].attrs["unit"] = "m/s"
    a = g.create_array("transposed", shape=(2, 3, 4), chunks=(2, 2, 3), dtype="f4", filters=[TransposeCodec(order=(2, 0, 1))])
    a[:] = np.arange(24).reshape(2, 3, 4)
    a = g.create_array("big_endian", shape=(3,), chunks=(2,), dtype="f8", serializer=BytesCodec(endian="big"), compressors=None)
    a[:] = [1, 2, 3]
    a = g.create_array("sharded", shape=x.shape, shards=(4, 8), chunks=(2, 4), dtype="i4")
    a[:5] = x[:5]
    a = g.create_array("sharded_transposed", shape=x.shape, shards=(4, 8), chunks=(2, 4), dtype="i4", filters=[TransposeCodec(order=(1, 0))], fill_value=7)
    a[:4] = x[:4]
    a = g.create_array("dots", shape=x.shape, chunks=(4, 4), dtype="i4", chunk_key_encoding={"name": "v2", "separator": "."})
    a[:] = x
    a = g.create_array("words", shape=(3,), chunks=(2,), dtype=str)
    a[:] = ["h\u00e9llo", "", "x"]
    a = g.create_array("wide", shape=(2,), chunks=(2,), dtype="U3")
    a[:] = ["h\u00e9", "x"]
    a = g.create_array("fixed", shape=(2,), chunks=(2,), dtype="S3")
    a[:] = [b"ab", b"c"]
    g.create_array("missing", shape=(3, 4), chunks=(2, 2), dtype="f4", fill_value=np.nan)
    g.create_array("complex", shape=(2,), chunks=(2,), dtype="c8", fill_value=1 - 2j)
    g.create_array("flag", shape=(2,), chunks=(2,), dtype="bool", fill_value=True)
    a = g.create_array("scalar", shape=(), chunks=(), dtype="f4")
    a[...] = 2.5
    repack("v3.zarr.zip", members(store))
    zarr.consolidate_metadata(store)
    consolidated = {k: v for k, v in members(store).items() if not k.endswith("/zarr.json")}
    repack("v3_consolidated.zarr.zip", consolidated)

    store = MemoryStore()
    g = zarr.open_group(store, mode="w", zarr_format=2)
    matrix = sp.csr_matrix(np.array([[0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 5]], dtype=np.float32))
    anndata.io.write_elem(g, "X", matrix)
    anndata.io.write_elem(g, "Y", matrix.tocsc())
    repack("anndata.zarr.zip", members(store))

    shard = {k: v for k, v in consolidated.items() if k == "zarr.json" or k.startswith("sharded/")}
    raw = bytearray(shard["sharded/c/0/0"])
    raw[-1] ^= 1
    bad("shard_index.zarr.zip", shard | {"sharded/c/0/0": bytes(raw)}, "array 'sharded': chunk sharded/c/0/0: a chunk has CRC-32C")
    bad("shard_short.zarr.zip", shard | {"sharded/c/0/0": b"abc"}, "a shard of 3 bytes cannot hold the index of its 4 chunks")


(version_2 if zarr.__version__.startswith("2") else version_3)()
line = f"zarr {zarr.__version__}, numcodecs {numcodecs.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}\n"
notes = HERE / "versions.txt"
lines = [old for old in (notes.read_text().splitlines(True) if notes.exists() else []) if old.split(".")[0] != line.split(".")[0]]
notes.write_text("".join(sorted([*lines, line])))
