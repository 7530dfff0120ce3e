"""npy and npz: opening 64 arrays of 4 MiB, to the first byte of one and to every byte of all."""
import os
import tempfile

import numpy as np

from tasks.common import ferry as get_ferry


def rows(bench):
    if not (bench.wants("npz") or bench.wants("npy")):
        return
    ferry = get_ferry()
    rng = np.random.default_rng(9)
    arrays = {f"layer{i}/kernel": rng.random((1024, 1024), "f") for i in range(64)}
    names = list(arrays)
    with tempfile.TemporaryDirectory() as folder:
        npz, npy = os.path.join(folder, "x.npz"), os.path.join(folder, "x.npy")
        ferry.save(npz, arrays)
        np.save(npy, arrays[names[0]])
        total = sum(a.nbytes for a in arrays.values())
        bench.row("npz of 256 MiB: open, first byte of one array", lambda: np.asarray(ferry.load(npz)[names[40]])[0, 0],
                  {"numpy.load": lambda: np.load(npz)[names[40]][0, 0]}, 1, lambda a, b, _: a == b, {"numpy.load": 100}, "open")
        bench.row("npz of 256 MiB: every byte of every array, summed", lambda: [float(np.asarray(t).sum()) for t in ferry.load(npz).values()],
                  {"numpy.load": lambda: (lambda z: [float(z[n].sum()) for n in names])(np.load(npz))}, 1, lambda a, b, _: a == b, None, "file", total,
                  note="neither side's zip checksum: numpy checks it, ours on verify")
        bench.row("npy of 4 MiB: open, first byte", lambda: np.asarray(ferry.load(npy))[0, 0],
                  {"numpy.load": lambda: np.load(npy)[0, 0], "numpy.load mmap": lambda: np.load(npy, mmap_mode="r")[0, 0]}, 1,
                  lambda a, b, _: a == b, None, "open")
