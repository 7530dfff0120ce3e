"""npy, npz and safetensors: opening 64 arrays of 4 MiB and 10 000 of 64 bytes, to the first byte of one and to every byte of all."""
import os
import tempfile

import numpy as np

from tasks.common import ferry as get_ferry


def first_of(path, name):
    from safetensors import safe_open
    with safe_open(path, "np") as file:
        return file.get_tensor(name).flat[0]


def rows(bench):
    if bench.wants("npz") or bench.wants("npy") or bench.wants("safetensors"):
        large(bench)
        many(bench)


def many(bench):
    from safetensors.numpy import load_file, save_file
    ferry = get_ferry()
    arrays = {f"layer{i}/kernel": np.full(16, i, "f") for i in range(10_000)}
    name = "layer5000/kernel"
    with tempfile.TemporaryDirectory() as folder:
        npz, st = os.path.join(folder, "x.npz"), os.path.join(folder, "x.safetensors")
        np.savez(npz, **arrays)
        save_file(arrays, st)
        bench.row("npz of 10 000 arrays: open, first byte of one", lambda: np.asarray(ferry.load(npz)[name])[0],
                  {"numpy.load": lambda: np.load(npz)[name][0]}, 1, lambda a, b, _: a == b, {"numpy.load": 100}, "open")
        bench.row("safetensors of 10 000: open, first byte of one", lambda: np.asarray(ferry.load(st)[name])[0],
                  {"safetensors safe_open": lambda: first_of(st, name), "numpy.load (npz)": lambda: np.load(npz)[name][0]}, 1,
                  lambda a, b, _: a == b, {"safetensors safe_open": 1}, "open")
        bench.row("safetensors of 10 000: every one as an array", lambda: {n: np.asarray(t) for n, t in ferry.load(st).items()},
                  {"safetensors load_file": lambda: load_file(st)}, 10_000,
                  lambda a, b, _: a.keys() == b.keys() and all(np.array_equal(a[n], b[n]) for n in b), {"safetensors load_file": 1}, "tensor",
                  note="ours are views of the file")


def large(bench):
    ferry = get_ferry()
    rng = np.random.default_rng(9)
    arrays = {f"layer{i}/kernel": rng.random((1024, 1024), "f") for i in range(64)}
    names = list(arrays)
    with tempfile.TemporaryDirectory() as folder:
        npz, npy, st = (os.path.join(folder, "x." + end) for end in ("npz", "npy", "safetensors"))
        ferry.save(st, arrays)
        ferry.save(npz, arrays)
        np.save(npy, arrays[names[0]])
        total = sum(a.nbytes for a in arrays.values())
        bench.row("npz of 256 MiB: open, first byte of one array", lambda: np.asarray(ferry.load(npz)[names[40]])[0, 0],
                  {"numpy.load": lambda: np.load(npz)[names[40]][0, 0]}, 1, lambda a, b, _: a == b, {"numpy.load": 100}, "open")
        bench.row("npz of 256 MiB: every byte of every array, summed", lambda: [float(np.asarray(t).sum()) for t in ferry.load(npz).values()],
                  {"numpy.load": lambda: (lambda z: [float(z[n].sum()) for n in names])(np.load(npz))}, 1, lambda a, b, _: a == b, None, "file", total,
                  note="neither side's zip checksum: numpy checks it, ours on verify")
        bench.row("safetensors of 256 MiB: open, first byte of one", lambda: np.asarray(ferry.load(st)[names[40]])[0, 0],
                  {"safetensors safe_open": lambda: first_of(st, names[40]), "numpy.load (npz)": lambda: np.load(npz)[names[40]][0, 0]}, 1,
                  lambda a, b, _: a == b, {"safetensors safe_open": 1, "numpy.load (npz)": 100}, "open")
        bench.row("npy of 4 MiB: open, first byte", lambda: np.asarray(ferry.load(npy))[0, 0],
                  {"numpy.load": lambda: np.load(npy)[0, 0], "numpy.load mmap": lambda: np.load(npy, mmap_mode="r")[0, 0]}, 1,
                  lambda a, b, _: a == b, None, "open")
