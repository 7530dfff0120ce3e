"""An epoch over a file much larger than the memory allowed. Usage: large_epoch.py FILE MEGABYTES LIMIT_MEGABYTES

Makes FILE of so many megabytes where it is not there, and goes through it twice, shuffled, batched and prefetched, with RLIMIT_DATA
at the limit. Prints rows, and the most memory that was resident besides what was before the epochs."""

import os
import resource
import sys

import numpy as np

import tensorferry as ferry


def make(path: str, size: int) -> None:
    rng = np.random.default_rng(1)
    rows = 20_000
    columns = {f"f{i}": rng.random(rows, "f") for i in range(20)} | {f"i{i}": rng.integers(0, 1 << 20, rows) for i in range(20)}
    ferry.save(path + ".part.tfrecord", columns)
    with open(path + ".part.tfrecord", "rb") as part:
        data = part.read()
    os.remove(path + ".part.tfrecord")
    with open(path + ".new", "wb") as out:
        for _ in range(-(-size // len(data))):
            out.write(data)
    os.rename(path + ".new", path)


def resident(key: str) -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(key)) * 1024


def main() -> None:
    path, size, limit = sys.argv[1], int(sys.argv[2]) << 20, int(sys.argv[3]) << 20
    if not os.path.exists(path):
        make(path, size)
        os.execv(sys.executable, [sys.executable, *sys.argv])  # without the memory of what was made
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    dataset = ferry.dataset(path).shuffle(10_000, seed=1).batch(1024).prefetch(4)
    next(iter(dataset.take(1)))
    before = resident("VmRSS")
    rows = 0
    total = 0.0
    for _ in range(2):
        for batch in dataset:
            rows += batch["f0"].shape[0]
            total += float(batch["f0"].to_numpy()[0])
    print(f"{rows} rows of {os.path.getsize(path) >> 20} MB, at most {(resident('VmHWM') - before) >> 20} MB more than the {before >> 20} MB before")
    print((resident("VmHWM") - before) >> 20)


if __name__ == "__main__":
    main()
