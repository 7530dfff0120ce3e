"""Two sides in one run: answers are compared first, then both are timed in turn (A B A B …), and the ratio of each round is kept.

A task module in bench/tasks/ defines `rows(bench)`, which calls bench.row(...) once for each figure."""
import gc
import json
import os
import platform
import statistics
import sys
import time

ROUNDS = 7


def _inner(fn, seconds):
    """How often fn must run for one measurement to last about `seconds`."""
    fn()
    start = time.perf_counter()
    fn()
    once = max(time.perf_counter() - start, 1e-9)
    return max(1, min(1_000_000, int(seconds / once)))


def _time(fn, inner):
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(inner):
        fn()
    return (time.perf_counter() - wall) / inner, (time.process_time() - cpu) / inner


class Bench:
    def __init__(self, only=None, seconds=0.15, rounds=ROUNDS):
        self.results, self.only, self.seconds, self.rounds = [], only, seconds, rounds
        self.failed = False

    def wants(self, task):
        return not self.only or any(word in task for word in self.only)

    def row(self, task, ours, peers, items, same, goals=None, unit="item", nbytes=None, note=""):
        """ours: a callable; peers: {name: callable}; same(our_answer, peer_answer, peer) raises or is False where answers differ;
        items: how many of `unit` one call handles; goals: {peer: ratio}."""
        if not self.wants(task):
            return
        gc.collect()
        mine = ours()
        for name, peer in peers.items():
            if same(mine, peer(), name) is False:
                print(f"{task}: our answer and {name}'s differ; not timed", file=sys.stderr)
                self.failed = True
                return
        del mine
        inner = {None: _inner(ours, self.seconds), **{name: _inner(peer, self.seconds) for name, peer in peers.items()}}
        times = {key: [] for key in inner}
        for _ in range(self.rounds):
            for key, fn in ((None, ours), *peers.items()):
                times[key].append(_time(fn, inner[key]))
        our_wall = [wall for wall, _ in times[None]]
        for name in peers:
            ratios = [theirs / mine for (theirs, _), mine in zip(times[name], our_wall)]
            goal = (goals or {}).get(name)
            median = statistics.median(ratios)
            result = {
                "task": task, "peer": name, "ours_ns": statistics.median(our_wall) * 1e9 / items,
                "peer_ns": statistics.median(wall for wall, _ in times[name]) * 1e9 / items, "unit": unit,
                "ours_cpu_ns": statistics.median(cpu for _, cpu in times[None]) * 1e9 / items,
                "ratio": median, "ratio_min": min(ratios), "ratios": ratios, "goal": goal, "met": None if goal is None else median >= goal,
                "gb_s": nbytes / statistics.median(our_wall) / 1e9 if nbytes else None, "note": note}
            self.results.append(result)
            mark = "" if goal is None else f"goal {goal:g}x {'met' if result['met'] else 'MISSED'}"
            rate = f"{result['gb_s']:.2f} GB/s" if nbytes else ""
            print(f"{task:54} {name:22} {result['ours_ns']:11.2f} {result['peer_ns']:12.2f} ns/{unit:6} "
                  f"{median:8.2f}x (min {min(ratios):.2f}) {mark:18} {rate} {note}", flush=True)

    def figure(self, task, value, unit, goal=None, better="less", note=""):
        """A figure without a peer, such as an absolute promise."""
        if not self.wants(task):
            return
        met = None if goal is None else (value <= goal if better == "less" else value >= goal)
        self.results.append({"task": task, "peer": None, "value": value, "unit": unit, "goal": goal, "met": met, "note": note})
        mark = "" if goal is None else f"goal {goal:g} {unit} {'met' if met else 'MISSED'}"
        print(f"{task:54} {value:.3f} {unit} {mark} {note}", flush=True)


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    flags = next((line.split(":")[1].split() for line in open("/proc/cpuinfo") if line.startswith("flags")), [])
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version(),
            "avx2": "avx2" in flags, "avx512": "avx512f" in flags, "date": time.strftime("%Y-%m-%d")}


def versions(*names):
    import importlib.metadata as metadata
    out = {}
    for name in names:
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            out[name] = None
    return out


def write(path, bench, extra):
    with open(path, "w") as out:
        json.dump({"machine": machine(), **extra, "rows": bench.results}, out, indent=1)
