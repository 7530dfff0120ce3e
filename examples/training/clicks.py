"""Clicks on advertisements, made up: as many as wanted, the same for the same seed, written as TFRecords of tf.Examples.

    python examples/training/clicks.py                              writes a few thousand, shows them, and cleans up
    python examples/training/clicks.py --rows 1000000 --out clicks  keeps them

A row has
    wide     sparse float32 {columns}: some 20 columns of very different frequency, as hashed words and crossed features have
    fields   int64 [6]: categories out of 1000
    numbers  float32 [8]
    click    float32: 0 or 1, by a hidden model of all three
The training examples, tests and benches import this module.
"""

import argparse
import contextlib
import pathlib
import resource
import tempfile

import numpy as np

import tensorferry as ferry

FIELDS, CATEGORIES, NUMBERS = 6, 1000, 8
COLUMNS = 10_000
SHARD_ROWS = 25_000


def schema(columns=COLUMNS):
    """What a record holds, for ferry.dataset(spec=…) and `ferry convert --set schema=…`."""
    return f"wide:float32{{{columns}}}, fields:int64[{FIELDS}], numbers:float32[{NUMBERS}], click:float32[]"


def make(rows, *, seed=1, shard=0, columns=COLUMNS, mean=20):
    """One shard's rows as a dict of tensors."""
    hidden = np.random.default_rng(seed)  # the model behind the clicks is the same in each shard
    of_column = hidden.normal(0, 1.5, columns).astype(np.float32)
    of_category = hidden.normal(0, 0.7, (FIELDS, CATEGORIES))
    of_number = hidden.normal(0, 0.5, NUMBERS)
    rng = np.random.default_rng([seed, shard])
    counts = 1 + rng.poisson(mean - 1, rows)
    row = np.repeat(np.arange(rows), counts)
    column = np.minimum(columns * rng.random(len(row)) ** 3, columns - 1).astype(np.int64)  # the first ones are frequent
    at, again = np.unique(row * columns + column, return_index=True)
    values = rng.integers(1, 4, len(row))[again].astype(np.float32) / 2
    indices = np.stack([at // columns, at % columns], axis=1)
    fields = rng.integers(0, CATEGORIES, (rows, FIELDS))
    numbers = rng.normal(size=(rows, NUMBERS)).astype(np.float32)
    score = np.bincount(indices[:, 0], weights=values * of_column[indices[:, 1]], minlength=rows) / np.sqrt(mean)
    score += of_category[np.arange(FIELDS), fields].sum(axis=1) + numbers @ of_number
    click = rng.random(rows) < 1 / (1 + np.exp(-score))
    return {
        "wide": ferry.SparseTensor(indices, values, (rows, columns)),
        "fields": fields,
        "numbers": numbers,
        "click": click.astype(np.float32),
    }


def write(folder, rows, *, seed=1, columns=COLUMNS, shard_rows=SHARD_ROWS):
    """Shards in a folder, one in memory at a time; gives their paths."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for shard, begin in enumerate(range(0, rows, shard_rows)):
        paths.append(folder / f"clicks-{shard:05}.tfrecord")
        ferry.save(paths[-1], make(min(shard_rows, rows - begin), seed=seed, shard=shard, columns=columns))
    return paths


def dataset(paths, *, batch=256, seed=1, columns=COLUMNS):
    """Shuffled batches of the files: only the buffers are in memory."""
    return ferry.dataset(paths, spec=schema(columns)).shuffle(10_000, seed=seed).batch(batch).prefetch(2)


# ---- What the training examples have in common


def arguments(description, **more):
    """--rows, --memory-limit, --epochs, --export, --check, and the rest of argparse."""
    parser = argparse.ArgumentParser(description=description.strip().partition("\n")[0])
    parser.add_argument("--rows", type=int, default=6000, help="how many rows to make; default %(default)s")
    parser.add_argument("--columns", type=int, default=2000, help="of the sparse feature; default %(default)s")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--memory-limit", type=mebibytes, default=256, metavar="MIB", help="how much memory training may take beyond what the framework itself does; default %(default)s")
    parser.add_argument("--data", help="a folder for the data, which is used again when it is there; default a temporary one")
    parser.add_argument("--export", type=pathlib.Path, help="a folder for the trained model")
    parser.add_argument("--check", action="store_true", help="train a second model on the same batches made dense, and compare")
    for name, keywords in more.items():
        parser.add_argument("--" + name, **keywords)
    return parser.parse_args()


def mebibytes(text):
    return int(text.removesuffix("M").removesuffix("MiB").removesuffix("Mi"))


@contextlib.contextmanager
def files(options):
    """The paths of the data, made first where they are not there."""
    with contextlib.ExitStack() as stack:
        folder = options.data or stack.enter_context(tempfile.TemporaryDirectory())
        there = sorted(pathlib.Path(folder).glob("clicks-*.tfrecord"))
        paths = there or write(folder, options.rows, columns=options.columns)
        size = sum(path.stat().st_size for path in paths)
        print(f"data: {options.rows} rows, {size / 2**20:.1f} MiB in {len(paths)} files; memory limit {options.memory_limit} MiB")
        yield paths


def in_memory():
    """Bytes of this process that lie in no file: (held now, address space of data)."""
    with open("/proc/self/status") as status:
        found = dict(line.split(":", 1) for line in status)
    return int(found["RssAnon"].split()[0]) * 1024, int(found["VmData"].split()[0]) * 1024


@contextlib.contextmanager
def memory_limit(mebibytes):
    """Within it, memory beyond what the process has already is refused past the limit."""
    before, data = in_memory()
    old = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (data + mebibytes * 2**20, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, old)
    print(f"memory: never {mebibytes} MiB more than before training, and {max(0, in_memory()[0] - before) / 2**20:.0f} at its end")


def check_that_it_fell(losses):
    """Below that of the first epoch; of a single one, below that of guessing."""
    assert losses[-1] < (losses[0] if len(losses) > 1 else np.log(2)), losses


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--columns", type=int, default=COLUMNS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", help="a folder to keep them in")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.out or stack.enter_context(tempfile.TemporaryDirectory())
        paths = write(folder, options.rows, seed=options.seed, columns=options.columns)
        print(f"{len(paths)} files, {sum(path.stat().st_size for path in paths) / 2**20:.1f} MiB; schema {schema(options.columns)}")
        print(ferry.load(paths[0]))


if __name__ == "__main__":
    main()
