"""Writes the pt goldens beside this file with PyTorch, and the damaged and hostile ones under bad/. Run by hand; see versions.txt.

Tar archives (PyTorch before 0.1.12) can no longer be written by PyTorch; they are put together here after torch.serialization's
reader of them, and read back by it."""
import collections
import argparse
import io
import pathlib
import pickle
import struct
import sys
import tarfile
import warnings
import zipfile

import numpy as np
import torch

warnings.simplefilter("ignore")
HERE = pathlib.Path(__file__).parent
BAD = HERE / "bad"
BAD.mkdir(exist_ok=True)
torch.manual_seed(0)
LEGACY = {"_use_new_zipfile_serialization": False}


def save(name, value, **options):
    torch.save(value, HERE / name, **options)


flat = collections.OrderedDict([("layer.weight", torch.arange(6.0).reshape(2, 3)), ("layer.bias", torch.tensor([0.5, -2.0, 1e-3]))])
model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
model(torch.randn(4, 3)).sum().backward()
optimizer.step()
base = torch.arange(24, dtype=torch.int32)
dtypes = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", "bool",
          "complex64", "complex128", "complex32", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"]
every = {}
for d in dtypes:
    t = getattr(torch, d)
    every[d] = torch.tensor([1 + 2j, -0.5j]).to(t) if t.is_complex else torch.tensor([1, 0, 3]).to(t)
every["float8_e8m0fnu"] = torch.tensor([0, 127, 128, 255], dtype=torch.uint8).view(torch.float8_e8m0fnu)
every["float4_e2m1fn_x2"] = torch.tensor([0x21, 0xF7], dtype=torch.uint8).view(torch.float4_e2m1fn_x2)

checkpoint = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "best": 0.25, "name": "run 1", "done": True,
              "args": argparse.Namespace(lr=0.1, layers=[64, 32]), "history": [0.5, 0.25], "none": None}
save("state_dict.pt", flat)
save("parameters.pt", model.state_dict(keep_vars=True))
save("checkpoint.pt", checkpoint)
save("dtypes.pt", every)
save("tensor.pt", torch.arange(3))
save("shapes.pt", {"scalar": torch.tensor(7), "empty": torch.zeros(0, 3), "rank4": torch.arange(4, dtype=torch.int8).reshape(1, 2, 1, 2)})
save("views.pt", {"whole": base.reshape(4, 6), "row": base[6:12], "transposed": base.reshape(4, 6).t(), "strided": base[1::5],
                  "expanded": base[:1].expand(3, 2), "permuted": base.reshape(2, 3, 4).permute(2, 0, 1), "tied": base.reshape(4, 6),
                  "conjugate": torch.tensor([1 + 2j]).conj(), "negative": torch.tensor([1 + 2j]).conj().imag})
coo = torch.sparse_coo_tensor([[0, 2, 0], [1, 0, 1]], [2.0, 5.0, 1.0], (3, 4))
dense = torch.tensor([[0, 1.0, 0, 2], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 5]])
save("sparse.pt", {"coo": coo, "coalesced": coo.coalesce(), "csr": dense.to_sparse_csr(), "csc": dense.to_sparse_csc(),
                   "bsr": dense.to_sparse_bsr((2, 2)), "bsc": dense.to_sparse_bsc((2, 2)),
                   "hybrid": torch.sparse_coo_tensor([[0, 2]], [[1.0, 2.0], [3.0, 4.0]], (3, 2)),
                   "batched": torch.stack([dense, dense.flip(0)]).to_sparse_csr()})
save("nested.pt", {"strided": torch.nested.nested_tensor([torch.ones(2, 3), torch.zeros(1, 3)]),
                   "both": torch.nested.nested_tensor([torch.arange(6.0).reshape(2, 3), torch.arange(2.0).reshape(1, 2)]),
                   "jagged": torch.nested.nested_tensor([torch.arange(2), torch.arange(3)], layout=torch.jagged)})
save("quantized.pt", {"tensor": torch.quantize_per_tensor(torch.tensor([1.0, -2.0]), 0.5, 1, torch.qint8),
                      "channel": torch.quantize_per_channel(torch.ones(2, 3), torch.tensor([0.5, 0.25]), torch.tensor([0, 3]), 0, torch.quint8)})
save("numpy.pt", {"array": np.arange(6, dtype=np.float32).reshape(2, 3), "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
                  "big": np.array([1, 2], ">i4"), "scalar": np.float64(0.5), "bytes": np.array([b"a", b"bc"]), "text": np.array(["a", "é"]),
                  "high": np.array([200, 255], np.uint8), "date": np.datetime64("2024-01-01")})
save("plain.pt", {"a/b": torch.tensor(1), "a": {"b": torch.tensor(2)}, 3: torch.tensor(3), ("k", 1): torch.tensor(4), "set": {1}, "complex": 1 + 2j,
                  "raw": b"ab\xff", "big": 2**70, "nan": float("nan"), "device": torch.device("cpu"), "dtype": torch.float16, "size": torch.Size([2, 3]),
                  "path": pathlib.PurePosixPath("/tmp/x"), "counter": collections.Counter(["a", "b", "a"]), "list": [torch.tensor(5), "x"],
                  "meta": torch.empty(2, 3, device="meta")})
for protocol in (1, 2, 3, 4, 5):
    save(f"protocol_{protocol}.pt", {"w": torch.arange(3.0), "n": np.arange(2), "k": "é"}, pickle_protocol=protocol)
    if protocol > 1:
        save(f"legacy_protocol_{protocol}.pt", {"w": torch.arange(3.0), "n": np.arange(2), "k": "é"}, pickle_protocol=protocol, **LEGACY)
save("legacy.pt", flat, **LEGACY)
save("legacy_checkpoint.pt", {**checkpoint, "csr": dense.to_sparse_csr(), "views": [base[1::5], base.reshape(4, 6).t()]}, **LEGACY)
script = io.BytesIO()


class Scripted(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(3, 2)
        self.register_buffer("mask", torch.tensor([True, False]))
        self.sizes = [1, 2]

    def forward(self, x):
        return self.fc(x) * self.mask + torch.tensor([1.0, 2.0])


torch.jit.save(torch.jit.trace(Scripted(), torch.ones(1, 3)), HERE / "script.pt")


def rezip(name, method=zipfile.ZIP_STORED, change=lambda member, data: data):
    """A file of torch.save's as another zip writer would pack it, each member's bytes given to `change`."""
    out = io.BytesIO()
    with zipfile.ZipFile(HERE / name) as old, zipfile.ZipFile(out, "w", method) as new:
        for info in old.infolist():
            data = change(info.filename, old.read(info))
            if data is not None:
                new.writestr(zipfile.ZipInfo(info.filename), data, method)
    return out.getvalue()


(HERE / "deflated.pt").write_bytes(rezip("state_dict.pt", zipfile.ZIP_DEFLATED))
swap = {"data/0": "<f4", "data/1": "<f4"}
(HERE / "big_endian.pt").write_bytes(rezip("state_dict.pt", change=lambda m, d: b"big" if m.endswith("byteorder") else
                                           np.frombuffer(d, "<f4").astype(">f4").tobytes() if "/data/" in m else d))


class Tar(pickle.Pickler):
    def __init__(self, file, keys):
        super().__init__(file, protocol=2)
        self.keys = keys

    def persistent_id(self, value):
        return self.keys.get(id(value))


def write_tar(path):
    storages, tensors, body = io.BytesIO(), io.BytesIO(), io.BytesIO()
    values = np.arange(6, dtype="<f4"), np.array([7, 8], "<i8")
    pickle.dump(2, storages, 2)
    for key, (array, kind) in enumerate(zip(values, (torch.FloatStorage, torch.LongStorage)), 100):
        pickle.dump((key, "cpu", kind), storages, 2)
        storages.write(struct.pack("<q", array.size) + array.tobytes())
    pickle.dump([(102, 100, 2, 3)], storages, 2)
    pickle.dump(3, tensors, 2)
    objects = {}
    for key, (storage, kind, sizes, strides, offset) in enumerate([(100, torch.FloatTensor, (3, 2), (1, 3), 0), (101, torch.LongTensor, (2,), (1,), 0),
                                                                  (102, torch.FloatTensor, (3,), (1,), 0)], 200):
        pickle.dump((key, storage, kind), tensors, 2)
        tensors.write(struct.pack(f"<i4x{len(sizes)}q{len(sizes)}qq", len(sizes), *sizes, *strides, offset))
        objects[key] = object()
    state = collections.OrderedDict(zip(("weight", "steps", "view"), objects.values()))
    Tar(body, {id(o): k for k, o in objects.items()}).dump(state)
    with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as tar:
        for name, data in (("sys_info", pickle.dumps({"little_endian": True}, 2)), ("pickle", body.getvalue()), ("tensors", tensors.getvalue()),
                           ("storages", storages.getvalue())):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    read = torch.load(path, weights_only=False)
    assert read["weight"].tolist() == [[0, 3], [1, 4], [2, 5]] and read["view"].tolist() == [2, 3, 4]


write_tar(HERE / "tar.pt")


# ---- What must be refused

def bad(name, data, expected):
    (BAD / name).write_bytes(data)
    (BAD / f"{name}.expected").write_text(expected + "\n")


def with_pickle(data):
    return rezip("tensor.pt", change=lambda member, old: data if member.endswith("data.pkl") else old)


class Call:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


import builtins  # noqa: E402
import os  # noqa: E402
import subprocess  # noqa: E402

bad("os_system.pt", with_pickle(pickle.dumps(Call(os.system, "echo pwned"), 2)), "the pickle names 'posix.system' (opcode GLOBAL): Python would call it")
bad("os_system_4.pt", with_pickle(pickle.dumps(Call(os.system, "echo pwned"), 4)), "the pickle names 'posix.system' (opcode STACK_GLOBAL)")
bad("eval.pt", with_pickle(pickle.dumps(Call(builtins.eval, "1"), 2)), "the pickle names 'builtins.eval' (opcode GLOBAL): Python would call it")
bad("popen.pt", with_pickle(pickle.dumps(Call(subprocess.Popen, ["true"]), 4)), "the pickle names 'subprocess.Popen' (opcode STACK_GLOBAL)")
bad("getattr.pt", with_pickle(pickle.dumps(Call(builtins.getattr, "", "join"), 2)), "the pickle names 'builtins.getattr'")
bad("inst.pt", with_pickle(b"(S'echo'\nios\nsystem\n."), "the pickle names 'os.system' (opcode INST)")
bad("obj.pt", with_pickle(b"(cos\nsystem\nS'echo'\no."), "the pickle names 'os.system' (opcode GLOBAL)")
bad("ext.pt", with_pickle(b"\x80\x02\x82\x01)R."), "opcode EXT names a global by a number")
bad("build.pt", with_pickle(b"\x80\x02]}b."), "opcode BUILD sets the state of a list")
bad("reduce.pt", with_pickle(b"\x80\x02U\x01a)R."), "opcode REDUCE calls a string")
bad("class.pt", with_pickle(pickle.dumps(Call(collections.UserDict), 4)), "the pickle names 'collections.UserDict' (opcode STACK_GLOBAL): neither a tensor nor plain data")
bad("cut_pickle.pt", with_pickle(b"\x80\x02}q\x00"), "the pickle is cut off: it ends without STOP")
bad("long.pt", with_pickle(b"\x80\x02\x8b\xff\xff\xff\x7f."), "LONG4 announces 2147483647 bytes")
laughs = b"\x80\x02" + b"]q\x00(" + b"}" * 0 + b"K\x01e"
for level in range(1, 90):
    laughs += b"](" + bytes([ord("h"), level - 1]) * 20 + b"eq" + bytes([level])
bad("laughs.pt", with_pickle(b"\x80\x02(" + laughs[2:] + b"t."), "the pickle shares values so often that listing them takes more than")
deep = b"\x80\x02" + b"(" * 150 + b"N" + b"t" * 150 + b"."
bad("deep.pt", with_pickle(deep), "containers are nested deeper than 100 (max_nesting)")

rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nLongStorage\nU\x010U\x03cpuK\x03tQ%s%s%s\x89ccollections\nOrderedDict\n)RtR."


def view(offset, size, strides, count=None):
    spell = lambda v: pickle.dumps(v, 2)[2:-1]
    data = rebuild % (spell(offset), spell(size), spell(strides))
    return with_pickle(b"\x80\x02" + (data if count is None else data.replace(b"K\x03tQ", spell(count) + b"tQ")))


assert torch.load(io.BytesIO(view(0, (3,), (1,)))).tolist() == [0, 1, 2]
bad("view_past.pt", view(1, (3,), (1,)), "a tensor of shape [3] reaches element 3 of a storage that holds 3 int64")
bad("view_stride.pt", view(0, (2, 2), (2, 1)), "a tensor of shape [2, 2] reaches element 3 of a storage that holds 3 int64")
bad("view_negative.pt", view(0, (2,), (-1,)), "stride -1 is negative")
bad("view_offset.pt", view(-1, (2,), (1,)), "the storage offset is -1")
bad("view_size.pt", view(0, (-2,), (1,)), "the size of a tensor:")
bad("view_overflow.pt", view(0, (2**40, 2**40), (1, 1)), "the size of a tensor:")
bad("view_reach.pt", view(0, (3,), (2**62,)), "reaches past 2^63 elements")
bad("view_strides.pt", view(0, (3,), (1, 1)), "a tensor of shape [3] has 2 strides")
bad("view_bomb.pt", view(0, (2**38,), (0,)), "(max_expansion_ratio)")
bad("storage_size.pt", view(0, (3,), (1,), 4), "the storage '0' is said to have 32 bytes, its member 'tensor/data/0' has 24")
bad("storage_count.pt", view(0, (3,), (1,), -1), "the size of a storage is no number of elements")
bad("storage_missing.pt", rezip("tensor.pt", change=lambda m, d: None if "/data/" in m else d), "the storage '0' of 24 bytes has no member 'tensor/data/0'")
bad("byteorder.pt", rezip("tensor.pt", change=lambda m, d: b"middle" if m.endswith("byteorder") else d), "says 'middle', expected little or big")
bad("no_pickle.pt", rezip("tensor.pt", change=lambda m, d: None if m.endswith("data.pkl") else d), "none of them data.pkl: not a PyTorch checkpoint")
bad("bool.pt", rezip("script.pt", change=lambda m, d: b"\x02\x00" if len(d) == 2 and "/data/" in m else d), "bool element 0 is 2, expected 0 or 1")


def sparse(layout, *parts):
    out = io.BytesIO()
    torch.save(Call(torch._utils._rebuild_sparse_tensor, layout, parts), out)
    return out.getvalue()


one, i64 = torch.ones(1), lambda *v: torch.tensor(v)
bad("coo_index.pt", sparse(torch.sparse_coo, torch.tensor([[3], [0]]), one, (3, 4)), "entry 0 is at [3, 0], outside shape [3, 4]")
bad("coo_counts.pt", sparse(torch.sparse_coo, torch.tensor([[3, 1], [0, 1]]), one, (3, 4)), "do not make a COO tensor")
bad("csr_column.pt", sparse(torch.sparse_csr, i64(0, 1), i64(9), one, (1, 4)), "entry 0 is in column 9, outside shape [1, 4]")
bad("csr_pointers.pt", sparse(torch.sparse_csr, i64(0, 2), i64(1), one, (1, 4)), "tensor ''")
bad("bsr_pointers.pt", sparse(torch.sparse_bsr, i64(1, 1), i64(0), torch.ones(1, 2, 2), (2, 4)), "the pointers of a sparse tensor run from 1 to 1, expected 0 to 1")
bad("bsr_block.pt", sparse(torch.sparse_bsr, i64(0, 1), i64(2), torch.ones(1, 2, 2), (2, 4)), "entry 0 of a sparse tensor has index 2, expected one below 2")
bad("bsr_shape.pt", sparse(torch.sparse_bsr, i64(0, 1), i64(1), torch.ones(1, 2, 2), (3, 4)), "do not make a tensor of layout sparse_bsr")
legacy = (HERE / "legacy.pt").read_bytes()
bad("legacy_cut.pt", legacy[:-1], "needs")
bad("legacy_numel.pt", legacy.replace(struct.pack("<q", 6), struct.pack("<q", 5)), "begins with 5 elements, the pickle says 6")
bad("legacy_magic.pt", b"\x80\x02\x8a\x0a" + bytes(10) + b".", "is none of the files that torch.save writes")
tar = (HERE / "tar.pt").read_bytes()
bad("tar_cut.pt", tar[:2048], "is a tar archive without the member storages")
bad("tar_view.pt", tar.replace(struct.pack("<2q", 3, 2), struct.pack("<2q", 3, 9)), "a tensor of shape [3, 9] reaches element")

(HERE / "versions.txt").write_text(f"python {sys.version.split()[0]}\ntorch {torch.__version__}\nnumpy {np.__version__}\n")
