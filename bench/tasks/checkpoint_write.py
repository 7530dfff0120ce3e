"""Checkpoints of 1 GiB: written against TensorFlow's SaveV2 and Checkpoint, converted, verified and compared by the command line, with the
memory that takes. Ours is on the disk when it returns (fsync), TensorFlow's in the page cache."""
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np

from tasks.common import ferry as get_ferry
from tasks.common import tensorflow

FERRY = str(pathlib.Path(__file__).resolve().parents[2] / "build" / "bin" / "ferry")


# A process of its own that has little memory: what one begins with counts as the peak of those that it starts.
MEASURE = """
import os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
process.returncode = os.waitstatus_to_exitcode(status)
print(time.perf_counter() - start, usage.ru_maxrss * 1024, process.returncode)
"""


def command(*words):
    """Seconds, and the peak of memory in bytes."""
    out = subprocess.run([sys.executable, "-S", "-c", MEASURE, FERRY, *words], capture_output=True, text=True, check=True).stdout.split()
    if out[2] != "0":
        raise RuntimeError(f"ferry {' '.join(words)}: exit {out[2]}")
    return float(out[0]), int(out[1])


def rows(bench):
    if not bench.wants("checkpoint of 1 GiB"):
        return
    tf, ferry = tensorflow(2), get_ferry(2)
    rng = np.random.default_rng(3)
    base = rng.standard_normal(4 << 20).astype(np.float32)
    arrays = {f"layer_{i:02}/kernel": np.roll(base, i).reshape(2048, 2048) for i in range(64)}
    total = sum(a.nbytes for a in arrays.values())
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs, other = (os.path.join(folder, name) for name in ("ours", "theirs", "other"))
        tensors = {name: tf.constant(value) for name, value in arrays.items()}

        def write():
            ferry.save(ours, arrays, format="ckpt")
            return ours

        def save_v2():
            tf.raw_ops.SaveV2(prefix=theirs, tensor_names=list(tensors), shape_and_slices=[""] * len(tensors), tensors=list(tensors.values()))
            return theirs

        variables = tf.train.Checkpoint(**{name.replace("/", "_"): tf.Variable(value) for name, value in tensors.items()})

        def same(a, b, peer):
            if peer != "SaveV2":
                return True
            a, b = tf.train.load_checkpoint(a), tf.train.load_checkpoint(b)
            return all(np.array_equal(a.get_tensor(name), b.get_tensor(name)) for name in arrays)

        bench.row("checkpoint of 1 GiB: write", write, {"SaveV2": save_v2, "tf.train.Checkpoint.write": lambda: variables.write(other)}, 1, same,
                  {"SaveV2": 1.5, "tf.train.Checkpoint.write": 1.5}, "file", total, note="ours with fsync, theirs without")
        del tensors, variables
        write()
        copy = os.path.join(folder, "copy")
        for name, words, goal in (("convert to safetensors", ["convert", ours, os.path.join(folder, "out.safetensors")], None),
                                  ("convert to npz", ["convert", ours, os.path.join(folder, "out.npz")], None),
                                  ("ckpt rename", ["ckpt", "rename", ours, copy, "--rename", "layer=l"], None), ("verify", ["verify", ours], 0.1),
                                  ("diff of two", ["diff", ours, os.path.join(folder, "out.safetensors")], None)):
            runs = [command(*words) for _ in range(5)]
            seconds, memory = statistics.median(r[0] for r in runs), max(r[1] for r in runs)
            bench.figure(f"checkpoint of 1 GiB: {name}", seconds, "s", goal, note=f"{total / seconds / 1e9:.2f} GB/s, fastest {min(r[0] for r in runs):.3f} s")
            bench.figure(f"checkpoint of 1 GiB: {name}, memory", 100 * memory / total, "% of the data", 5)
