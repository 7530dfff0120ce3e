"""JSON text to array and back, against orjson (which writes NumPy arrays directly, and reads into lists that NumPy takes)."""
import numpy as np

from tasks.common import ferry as get_ferry


def rows(bench):
    if not bench.wants("json"):
        return
    import orjson
    ferry = get_ferry()
    rng = np.random.default_rng(9)
    for name, dtype, options, goals in (("float32", "f", {}, True), ("float64", "d", {"floats": "float64"}, False)):
        for n in (1000, 1_000_000):
            arrays = [rng.standard_normal(n).astype(dtype) for _ in range(max(1, 100_000 // n))]
            texts = [orjson.dumps(a, option=orjson.OPT_SERIALIZE_NUMPY) for a in arrays]
            count = n * len(arrays)
            size = f"{len(arrays)} x {n}" if len(arrays) > 1 else f"{n}"

            def exact(ours, theirs, _):
                return all(np.array_equal(np.asarray(a), b) for a, b in zip(ours, theirs))

            def reads_back(ours, theirs, _):
                return all(np.array_equal(np.array(orjson.loads(a), dtype), np.array(orjson.loads(b), dtype)) for a, b in zip(ours, theirs))

            bench.row(f"json text to {name} array, {size}", lambda: [ferry.loads(t, "json", **options) for t in texts],
                      {"orjson + NumPy": lambda: [np.array(orjson.loads(t), dtype) for t in texts]}, count, exact,
                      {"orjson + NumPy": 6} if goals else None, "number", sum(map(len, texts)))
            bench.row(f"{name} array to json text, {size}", lambda: [ferry.dumps(a, "json", plain=True) for a in arrays],
                      {"orjson": lambda: [orjson.dumps(a, option=orjson.OPT_SERIALIZE_NUMPY) for a in arrays]}, count, reads_back,
                      {"orjson": 2.5} if goals else None, "number")
