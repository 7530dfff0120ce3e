"""The C++ benchmarks (bench/<task>/<contender>.cc, Google Benchmark): rows named TASK/CONTENDER, ours called `ferry`."""
import json
import pathlib
import statistics
import subprocess

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build" / "bench"
# task prefix -> {peer: goal}
GOALS = {"spmm": {"eigen": 1.0}, "tensorproto_decode": {"libprotobuf": 4.0}, "libsvm": {"strtod": 5.0},
         "example_encode": {"libprotobuf": 10.0},
         "json_read": {"TF Serving's scheme, emulated": 4.0}, "json_write": {"TF Serving's scheme, emulated": 12.0}}


def rows(bench):
    for program in sorted(p for p in BUILD.glob("bench_*") if p.is_file()):
        if not bench.wants(program.name):
            continue
        done = subprocess.run([str(program), "--benchmark_format=json", "--benchmark_repetitions=7", "--benchmark_enable_random_interleaving=true",
                               "--benchmark_min_time=0.05"], capture_output=True, text=True)
        if done.returncode != 0:
            print(done.stderr)
            bench.failed = True
            continue
        times = {}
        for row in json.loads(done.stdout)["benchmarks"]:
            if row.get("run_type") == "iteration":
                scale = {"ns": 1, "us": 1e3, "ms": 1e6}[row["time_unit"]]
                times.setdefault(row["run_name"], []).append(row["real_time"] * scale)
        for name, theirs in times.items():
            task, _, rest = name.partition("/")
            contender, _, size = rest.partition("/")
            mine = times.get("/".join(filter(None, (task, "ferry", size))))
            if contender == "ferry" and not any(n.startswith(task + "/") and n != name for n in times):
                bench.figure(f"{name}", statistics.median(theirs), "ns")
            if contender == "ferry" or mine is None:
                continue
            ratios = [b / a for a, b in zip(mine, theirs)]
            ratio, goal = statistics.median(ratios), GOALS.get(task, {}).get(contender)
            met = None if goal is None else ratio >= goal
            bench.results.append({"task": f"{task} {size}".strip(), "peer": contender, "ours_ns": statistics.median(mine),
                                  "peer_ns": statistics.median(theirs), "unit": "call", "ratio": ratio, "ratio_min": min(ratios),
                                  "ratios": ratios, "goal": goal, "met": met, "note": "C++"})
            mark = "" if goal is None else f"goal {goal:g}x {'met' if met else 'MISSED'}"
            print(f"{task + ' ' + size:54} {contender:22} {statistics.median(mine):11.1f} {statistics.median(theirs):12.1f} ns/call   "
                  f"{ratio:8.2f}x (min {min(ratios):.2f}) {mark}", flush=True)
