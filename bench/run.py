"""Runs the benchmarks and prints each figure with its peer, ratio and goal.

usage: bench/run.py [--only WORD]… [--json FILE] [--list]
One thread on both sides unless the row says otherwise. Needs the oracle environment (make bench)."""
import argparse
import importlib
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import harness  # noqa: E402

TASKS = ["start", "dense_coo", "order", "layout", "matmul", "proto", "sparse_proto", "text", "json_text", "containers", "safetensors", "checkpoint", "checkpoint_write", "records", "parse_example", "dataset", "adapters", "native"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", help="rows whose name has this word")
    parser.add_argument("--task", action="append", choices=TASKS, help="this file of bench/tasks only")
    parser.add_argument("--json", default=str(HERE.parent / "build" / "bench.json"))
    parser.add_argument("--seconds", type=float, default=0.05, help="length of one measurement")
    options = parser.parse_args()
    bench = harness.Bench(options.only, options.seconds)
    for name in options.task or TASKS:
        importlib.import_module(f"tasks.{name}").rows(bench)
    harness.write(options.json, bench, {
        "versions": harness.versions("tensorflow-cpu", "numpy", "scipy", "scikit-learn", "orjson", "tensorferry"), "rounds": harness.ROUNDS})
    missed = [r for r in bench.results if r.get("met") is False]
    print(f"{len(bench.results)} figures, {len(missed)} goals missed; all rounds in {options.json}")
    return 1 if bench.failed else 0


sys.exit(main())
