"""Dataset: what only processes of their own can show: a crash in mid-epoch, a limit on memory."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import tensorferry as ferry

HERE = pathlib.Path(__file__).parent

# Goes through a dataset from where the journal says; after each batch the journal has its checksum and the state, in one rename.
READER = """
import json, os, sys, time, zlib
import tensorferry as ferry
path, journal, pause = sys.argv[1], sys.argv[2], float(sys.argv[3])
ds = ferry.dataset(path).shuffle(700, seed=3).repeat(2).batch(32).prefetch(4)
seen, state = json.load(open(journal)) if os.path.exists(journal) else ([], None)
it = ds.iterator(state=state, threads=2)
for batch in it:
    seen.append(zlib.crc32(b"".join(batch[name].to_numpy().tobytes() for name in batch)))
    with open(journal + ".new", "w") as out:
        json.dump((seen, it.state()), out)
    os.replace(journal + ".new", journal)
    time.sleep(pause)
"""


def start(path, journal, pause=0.0):
    return subprocess.Popen([sys.executable, "-c", READER, str(path), str(journal), str(pause)])


def test_a_process_that_is_killed_in_mid_epoch_goes_on_as_if_it_had_not_been(tmp_path):
    rng = np.random.default_rng(5)
    path = tmp_path / "a.tfrecord"
    ferry.save(path, {"n": np.arange(2000), "x": rng.random((2000, 3), "f")})
    whole = tmp_path / "whole"
    assert start(path, whole).wait() == 0
    broken, kills = tmp_path / "broken", 0
    while True:
        process = start(path, broken, 0.004)
        seen = len(json.loads(broken.read_text())[0]) if broken.exists() else 0
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:  # some batches further
            if broken.exists() and len(json.loads(broken.read_text())[0]) > seen + 40:
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.002)
        if process.wait() == 0:
            break
    assert kills >= 2
    assert json.loads(broken.read_text())[0] == json.loads(whole.read_text())[0]


def test_a_process_may_end_with_an_iterator_open_whose_rows_python_makes():
    code = """
import tensorferry as ferry
ds = ferry.SparseDataset.from_generator(lambda: ({i % 7: 1.0} for i in range(100000)), shape=10)
its = [iter(ds.shuffle(100, seed=7).batch(32).map(lambda batch: batch).prefetch(4)) for _ in range(3)]
for it in its: next(it)
"""
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's /proc")
def test_memory_is_bounded_by_the_buffers_and_not_by_the_file(tmp_path):
    """For 2 GB under 256 MB: large_epoch.py FILE 2048 256."""
    out = subprocess.run([sys.executable, HERE / "large_epoch.py", tmp_path / "large.tfrecord", "240", "256"], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    more = int(out.stdout.split()[-1])
    assert more <= 24, out.stdout  # a tenth of the file
