"""safetensors: opening many tensors and one of them, and every byte of large ones, against the safetensors library and numpy.load."""
import os
import tempfile

import numpy as np

from tasks.common import ferry as get_ferry


def rows(bench):
    if not bench.wants("safetensors"):
        return
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file
    ferry = get_ferry()
    rng = np.random.default_rng(11)
    with tempfile.TemporaryDirectory() as folder:
        many, many_npz, large, large_npz = (os.path.join(folder, name) for name in ("many.safetensors", "many.npz", "large.safetensors", "large.npz"))
        small = {f"model.layers.{i // 10}.part{i % 10}.weight": rng.random((8, 8), "f") for i in range(10_000)}
        names = list(small)
        save_file(small, many)
        np.savez(many_npz, **small)
        wanted = names[7_000]

        def library(path, name):
            with safe_open(path, "np") as file:
                return file.get_tensor(name)

        bench.row("safetensors of 10 000 tensors: open, one of them", lambda: np.asarray(ferry.load(many)[wanted]),
                  {"safetensors": lambda: library(many, wanted), "numpy.load of npz": lambda: np.load(many_npz)[wanted]}, 1,
                  lambda a, b, _: np.array_equal(a, b), {"safetensors": 1}, "open")
        arrays = {f"layer{i}/kernel": rng.random((1024, 1024), "f") for i in range(64)}
        save_file(arrays, large)
        np.savez(large_npz, **arrays)
        total = sum(a.nbytes for a in arrays.values())
        one = "layer40/kernel"

        def first_byte():
            with safe_open(large, "np") as file:
                return file.get_slice(one)[0, 0:1][0]

        bench.row("safetensors of 256 MiB: open, first byte of one tensor", lambda: np.asarray(ferry.load(large)[one])[0, 0],
                  {"safetensors": first_byte, "numpy.load of npz": lambda: np.load(large_npz)[one][0, 0]}, 1, lambda a, b, _: a == b,
                  {"safetensors": 1, "numpy.load of npz": 100}, "open")

        def checksum(tensors):
            return [int(np.asarray(t).view(np.uint64).sum()) for t in tensors]

        bench.row("safetensors of 256 MiB: every byte of every tensor, summed", lambda: checksum(ferry.load(large)[n] for n in arrays),
                  {"safetensors": lambda: (lambda f: checksum(f[n] for n in arrays))(load_file(large)),
                   "numpy.load of npz": lambda: (lambda z: checksum(z[n] for n in arrays))(np.load(large_npz))}, 1,
                  lambda a, b, _: a == b, {"numpy.load of npz": 3}, "file", total, note="numpy checks the archive's CRC, safetensors has none")
