"""Checkpoints that TensorFlow wrote, read by it and by us. TensorFlow's threads are left at its default: with one intra-op thread RestoreV2 reads
a megabyte for each tensor of 4 KiB. Ours are as many as the row says."""
import json
import os
import random
import subprocess
import sys
import tempfile

import numpy as np

BIG, MANY = 16, 10_000
KEY = "/.ATTRIBUTES/VARIABLE_VALUE"
LARGE = [f"checkpoint of 1 GiB: {row}" for row in ("open, one small tensor", "one small tensor from a cold process", "every byte verified", "every byte verified, all cores")]
SMALL = [f"checkpoint of 10 000 × 4 KiB: {row}" for row in ("in order", "in order, by key", "any order", "whole restore")]


def rows(bench):
    if not any(map(bench.wants, LARGE + SMALL)):
        return
    if not os.environ.get("FERRY_BENCH_ALONE"):  # TensorFlow's threads are set once for a process, and other tasks set them
        elsewhere(bench)
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    import tensorflow as tf
    import tensorferry as ferry
    with tempfile.TemporaryDirectory() as folder:
        reading_large(bench, tf, ferry, os.path.join(folder, "large"))
    with tempfile.TemporaryDirectory() as folder:
        reading_many(bench, tf, ferry, os.path.join(folder, "many"))


def elsewhere(bench):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        only = [word for each in bench.only or [] for word in ("--only", each)]
        run = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "run.py")
        done = subprocess.run([sys.executable, run, "--task", "checkpoint", "--json", out.name, "--seconds", str(bench.seconds), *only], env={**os.environ, "FERRY_BENCH_ALONE": "1"})
        bench.failed |= done.returncode != 0
        bench.results += json.load(open(out.name))["rows"]


def reading_large(bench, tf, ferry, path):
    """1 GiB in 16 tensors of 64 MiB, and a small one."""
    if not any(map(bench.wants, LARGE)):
        return
    rng = np.random.default_rng(1)
    arrays = {"small": rng.random(16, "f"), **{f"w{i:02d}": rng.random((4096, 4096), "f") for i in range(BIG)}}
    tf.raw_ops.SaveV2(prefix=path, tensor_names=list(arrays), shape_and_slices=[""] * len(arrays), tensors=[tf.constant(x) for x in arrays.values()])
    total, keys = sum(x.nbytes for x in arrays.values()), sorted(arrays)
    del arrays

    ferry.set_threads(1)
    bench.row(LARGE[0], lambda: ferry.Checkpoint(path)["small"].to_numpy(),
              {"load_checkpoint": lambda: tf.train.load_checkpoint(path).get_tensor("small")}, 1, lambda a, b, _: np.array_equal(a, b),
              {"load_checkpoint": 3}, "open")
    command = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "bin", "ferry")
    script = f"import tensorflow as tf; print(tf.train.load_checkpoint({path!r}).get_tensor('small').tolist())"

    def output(*words):
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    bench.row(LARGE[1], lambda: output(command, "cat", path, "small", "--json"),
              {"Python with TensorFlow": lambda: output(sys.executable, "-c", script)}, 1,
              lambda a, b, _: np.allclose(json.loads(a), json.loads(b), rtol=1e-6), {"Python with TensorFlow": 100}, "run")

    def last_values(tensors):
        return [float(np.asarray(x).flat[-1]) for x in tensors]

    def theirs():
        reader = tf.train.load_checkpoint(path)
        return last_values(reader.get_tensor(key) for key in keys)

    for row, threads in ((LARGE[2], 1), (LARGE[3], 0)):
        ferry.set_threads(threads)
        bench.row(row, lambda: last_values(ferry.Checkpoint(path).values()),
                  {"get_tensor, a copy": theirs}, 1, lambda a, b, _: a == b, {"get_tensor, a copy": 3} if threads else None, "file", total,
                  note="views of the file against copies; both check the CRC")


def reading_many(bench, tf, ferry, path):
    """10 000 tensors of 4 KiB."""
    if not any(map(bench.wants, SMALL)):
        return
    rng = np.random.default_rng(2)
    names = [f"v{i:05d}" for i in range(MANY)]
    variables = {name: tf.Variable(rng.random(1024, "f")) for name in names}
    tf.train.Checkpoint(**variables).write(path)
    in_order = [name + KEY for name in names]
    any_order = random.Random(3).sample(in_order, MANY)
    ferry.set_threads(1)

    def ours_by_key(keys):
        checkpoint = ferry.Checkpoint(path)
        return [checkpoint[key].to_numpy() for key in keys]

    def theirs_by_key(keys):
        reader = tf.train.load_checkpoint(path)
        return [reader.get_tensor(key) for key in keys]

    def same(a, b, _):
        return all(map(np.array_equal, a, b))

    def ours_in_order():
        return [tensor.to_numpy() for key, tensor in ferry.Checkpoint(path).items() if key.endswith(KEY)]

    bench.row(SMALL[0], ours_in_order, {"get_tensor": lambda: theirs_by_key(in_order)}, MANY, same,
              {"get_tensor": 10}, "tensor", note="items(); opening included")
    bench.row(SMALL[1], lambda: ours_by_key(in_order), {"get_tensor": lambda: theirs_by_key(in_order)}, MANY, same,
              unit="tensor")
    bench.row(SMALL[2], lambda: ours_by_key(any_order), {"get_tensor": lambda: theirs_by_key(any_order)}, MANY, same,
              {"get_tensor": 30}, "tensor")
    mine = {name + KEY: np.zeros(1024, "f") for name in names}

    def ours_restore():
        left = len(mine)
        for key, tensor in ferry.Checkpoint(path).items():
            if key in mine:
                np.copyto(mine[key], tensor.to_numpy())
                left -= 1
        assert left == 0
        return mine.values()

    def theirs_restore():
        tf.train.Checkpoint(**variables).read(path).assert_consumed()
        return [variable.numpy() for variable in variables.values()]

    bench.row(SMALL[3], ours_restore, {"Checkpoint.read": theirs_restore}, MANY, same,
              {"Checkpoint.read": 50}, "tensor", note="into arrays and variables that are there")
