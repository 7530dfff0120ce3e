#!/usr/bin/env python3
"""Arrow IPC files and streams made by PyArrow and polars, for tests/golden/arrow and tests/golden/arrows.

Usage: generate.py     (needs pyarrow and polars; writes beside itself, and versions.txt)"""
import io
import pathlib
import struct

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather

HERE = pathlib.Path(__file__).resolve().parent
STREAMS = HERE.parent / "arrows"


def file_bytes(table, batch_rows=None, **options):
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=batch_rows)
    return sink.getvalue()


def stream_bytes(table, batch_rows=None, **options):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=batch_rows)
    return sink.getvalue()


def save(name, data, folder=HERE):
    (folder / name).write_bytes(data)


def bad(name, data, sentence, folder=HERE):
    (folder / "bad" / name).write_bytes(data)
    (folder / "bad" / (name + ".expected")).write_text(sentence + "\n")


def plain():
    return pa.table({
        "int8": pa.array([1, -2, 127, -128, 0], pa.int8()),
        "uint64": pa.array([0, 1, 2**64 - 1, 3, 4], pa.uint64()),
        "float32": pa.array([0.5, None, float("inf"), None, -1.25], pa.float32()),
        "half": pa.array(np.array([0.5, 1, 2, -4, 65504], np.float16)),
        "flag": pa.array([True, False, True, True, False]),
        "text": pa.array(["a", "", "héllo", "x" * 20, "end"]),
        "bytes": pa.array([b"\xff", b"\0a", b"", b"b", b"c"], pa.large_binary()),
    }, metadata={"made by": "pyarrow"})


def nested():
    return pa.table({
        "lists": pa.array([[1, 2], [], [3]], pa.list_(pa.int64())),
        "large": pa.array([["a"], ["b", "c"], []], pa.large_list(pa.string())),
        "deep": pa.array([[[1.0], []], [], [[2.0, 3.0]]], pa.list_(pa.list_(pa.float64()))),
        "inner": pa.array([[[1, 2]], [], [[3, 4], [5, 6]]], pa.list_(pa.list_(pa.int16(), 2))),
        "fixed": pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.uint8(), 2)),
        "outer": pa.array([[[1], [2, 3]], [[], []], [[4], []]], pa.list_(pa.list_(pa.int32()), 2)),
        "point": pa.array([{"x": 1.0, "y": [1]}, {"x": 2.0, "y": []}, {"x": 3.0, "y": [2, 3]}],
                          pa.struct([("x", pa.float32()), ("y", pa.list_(pa.int32()))])),
        "map": pa.array([[("k", 1)], [], [("l", 2), ("m", 3)]], pa.map_(pa.string(), pa.int64())),
    })


def tensors():
    image = pa.fixed_shape_tensor(pa.float32(), [2, 3], dim_names=["h", "w"])
    turned = pa.fixed_shape_tensor(pa.int32(), [2, 3, 2], dim_names=["a", "b", "c"], permutation=[2, 0, 1])
    storage = pa.array([list(range(6)), list(range(6, 12))], pa.list_(pa.float32(), 6))
    cube = pa.array([list(range(12)), list(range(12, 24))], pa.list_(pa.int32(), 12))
    return pa.table({"image": pa.ExtensionArray.from_storage(image, storage), "turned": pa.ExtensionArray.from_storage(turned, cube)})


def variable(rows, element, rank, metadata):
    storage = pa.struct([("data", pa.list_(element)), ("shape", pa.list_(pa.int32(), rank))])
    column = pa.array([{"data": np.asarray(r).ravel().tolist(), "shape": list(np.asarray(r).shape)} for r in rows], storage)
    field = pa.field("x", storage, metadata={"ARROW:extension:name": "arrow.variable_shape_tensor", "ARROW:extension:metadata": metadata})
    return pa.Table.from_arrays([column], schema=pa.schema([field]))


def times():
    return pa.table({"date": pa.array([1, 2], pa.date32()), "time": pa.array([1, 2], pa.timestamp("us", "UTC")),
                     "span": pa.array([5, -5], pa.duration("ms")), "of_day": pa.array([1, 2], pa.time64("ns"))})


def dictionaries():
    return pa.table({"word": pa.chunked_array([pa.array(["a", "b", "a"]).dictionary_encode(), pa.array(["b", "b"]).dictionary_encode()]).unify_dictionaries(),
                     "number": pa.DictionaryArray.from_arrays(pa.array([0, None, 1, 0, 0], pa.uint8()), pa.array([0.5, 2.5], pa.float64()))})


def delta_file():
    schema = pa.schema([("word", pa.dictionary(pa.int16(), pa.string()))])
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, schema, options=pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)) as writer:
        for words, indices in ((["a", "b"], [0, 1]), (["a", "b", "c"], [2, 0])):
            array = pa.DictionaryArray.from_arrays(pa.array(indices, pa.int16()), pa.array(words))
            writer.write_batch(pa.record_batch([array], schema=schema))
    return sink.getvalue()


def replaced_stream():
    schema = pa.schema([("word", pa.dictionary(pa.int8(), pa.string()))])
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        for words in (["a", "b"], ["x", "y"]):
            array = pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int8()), pa.array(words))
            writer.write_batch(pa.record_batch([array], schema=schema))
    return sink.getvalue()


def message(tensor):
    sink = pa.BufferOutputStream()
    pa.ipc.write_tensor(tensor, sink)
    return sink.getvalue().to_pybytes()


def polars_bytes(frame, compression):
    sink = io.BytesIO()
    frame.write_ipc(sink, compression=compression)
    return sink.getvalue()


def goldens():
    save("plain.arrow", file_bytes(plain()))
    save("batches.arrow", file_bytes(nested(), batch_rows=1))
    save("nested.arrow", file_bytes(nested()))
    save("tensors.arrow", file_bytes(tensors(), batch_rows=1))
    save("variable.arrow", file_bytes(variable([np.arange(6).reshape(2, 3), np.arange(3).reshape(1, 3)], pa.float32(), 2,
                                               '{"uniform_shape":[null,3],"dim_names":["t","c"]}')))
    save("variable_turned.arrow", file_bytes(variable([np.arange(6).reshape(2, 3), np.arange(4).reshape(4, 1)], pa.int32(), 2, '{"permutation":[1,0]}')))
    save("times.arrow", file_bytes(times()))
    save("dictionary.arrow", file_bytes(dictionaries(), batch_rows=3))
    save("delta.arrow", delta_file())
    save("views.arrow", file_bytes(pa.table({"v": pa.array(["short", "a string beyond twelve bytes", ""], pa.string_view())})))
    save("no_rows.arrow", file_bytes(nested().slice(0, 0)))
    save("lz4.feather", file_bytes(pa.table({"x": np.arange(300) // 7, "s": ["same text"] * 300}), compression="lz4"))
    save("zstd.ipc", file_bytes(pa.table({"x": np.arange(300) // 7, "s": ["same text"] * 300}), compression="zstd"))
    save("version4.arrow", file_bytes(pa.table({"x": [1, 2]}), metadata_version=pa.ipc.MetadataVersion.V4))
    frame = pl.DataFrame({"i": [1, 2, 3], "s": ["a", "a string beyond twelve bytes", "c"], "l": [[1.0], [], [2.0, 3.0]],
                          "a": pl.Series([[1, 2], [3, 4], [5, 6]], dtype=pl.Array(pl.Int16, 2)), "b": [True, False, True]})
    save("polars.arrow", polars_bytes(frame, "uncompressed"))
    save("polars_lz4.arrow", polars_bytes(frame, "lz4"))

    save("plain.arrows", stream_bytes(plain()), STREAMS)
    save("batches.arrows", stream_bytes(nested(), batch_rows=2), STREAMS)
    save("legacy.arrows", stream_bytes(pa.table({"x": [1, 2, 3]}), use_legacy_format=True, metadata_version=pa.ipc.MetadataVersion.V4), STREAMS)
    save("replaced.arrows", replaced_stream(), STREAMS)
    save("tensor.arrows", message(pa.Tensor.from_numpy(np.arange(6, dtype=np.float32).reshape(2, 3), dim_names=["r", "c"])), STREAMS)
    save("tensor_fortran.arrows", message(pa.Tensor.from_numpy(np.asfortranarray(np.arange(6, dtype=np.int64).reshape(2, 3)))), STREAMS)


def damaged():
    ints = file_bytes(pa.table({"x": pa.array([1, None, 3], pa.int64())}))
    bad("null_int.arrow", ints, '1 of 3 values are null (the first is number 1)')
    bad("null_list.arrow", file_bytes(pa.table({"x": pa.array([[1], None], pa.list_(pa.int64()))})), "1 of 2 lists or structs are null")
    whole = file_bytes(pa.table({"x": pa.array([1, 2, 3], pa.int64())}))
    bad("cut.arrow", whole[:-7], "does not end with ARROW1")
    bad("decimal.arrow", file_bytes(pa.table({"x": pa.array([1, 2], pa.int16()).cast(pa.decimal128(20, 2))})), "of Arrow type decimal, which no tensor has")
    bad("same_name.arrow", file_bytes(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])), "two columns are named 'x'")
    lists = bytearray(file_bytes(pa.table({"x": pa.array([[1, 2], [3], [4]], pa.list_(pa.int64()))})))
    at = lists.find(struct.pack("<4i", 0, 2, 3, 4))
    struct.pack_into("<i", lists, at + 4, 9)
    bad("falling_offsets.arrow", bytes(lists), "fall from 9 to 3")
    words = bytearray(file_bytes(pa.table({"x": pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int64()), pa.array(["a", "b"]))})))
    at = words.find(struct.pack("<2q", 0, 1))
    struct.pack_into("<q", words, at, 7)
    bad("dictionary_index.arrow", bytes(words), "element 0 is number 7 of a dictionary of 2")
    texts = bytearray(file_bytes(pa.table({"x": ["ab", "c"]})))
    at = texts.find(struct.pack("<3i", 0, 2, 3))
    struct.pack_into("<i", texts, at + 8, 999)
    bad("string_offset.arrow", bytes(texts), "string offset 999 is not between 2 and")
    packed = bytearray(file_bytes(pa.table({"x": np.zeros(300, np.int64)}), compression="lz4"))
    at = packed.find(struct.pack("<q", 2400) + b"\x04\x22\x4d\x18")
    struct.pack_into("<q", packed, at, 10 << 30)
    bad("lz4_bomb.arrow", bytes(packed), "expand to 10737418240")
    footer = bytearray(whole)
    struct.pack_into("<i", footer, len(footer) - 10, 1 << 30)
    bad("footer_length.arrow", bytes(footer), "the Arrow footer announces 1073741824 bytes")
    old = io.BytesIO()
    try:
        feather.write_feather(pa.table({"x": [1, 2]}), old, version=1)
        bad("version1.feather", old.getvalue(), "a Feather file of version 1")
    except Exception as error:  # newer releases no longer write it
        print("no Feather 1:", error)
    stream = stream_bytes(pa.table({"x": [1, 2, 3]}))
    bad("cut.arrows", stream[:-40], "an Arrow message announces", STREAMS)
    bad("batch_first.arrows", stream[struct.unpack_from("<i", stream, 4)[0] + 8:], "an Arrow record batch before any schema", STREAMS)


goldens()
damaged()
versions = f"pyarrow {pa.__version__}\npolars {pl.__version__}\nnumpy {np.__version__}\n"
(HERE / "versions.txt").write_text(versions)
(STREAMS / "versions.txt").write_text(versions + "generator: ../arrow/generate.py\n")
