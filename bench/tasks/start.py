"""How long until anything works: import of the package, start of the command line."""
import pathlib
import statistics
import subprocess
import sys
import time


def _runs(command, n=9):
    out = []
    for _ in range(n):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        out.append(time.perf_counter() - start)
    return statistics.median(out) * 1e3


def rows(bench):
    code = "import numpy, time; t = time.perf_counter(); import tensorferry; print(time.perf_counter() - t)"
    if bench.wants("import tensorferry"):
        took = statistics.median(float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
                                 for _ in range(9))
        bench.figure("import tensorferry (NumPy already there)", took * 1e3, "ms", 100)
        bench.figure("import tensorferry, whole process", _runs([sys.executable, "-c", "import tensorferry"]), "ms")
    ferry = pathlib.Path(__file__).resolve().parents[2] / "build" / "bin" / "ferry"
    if bench.wants("ferry --version"):
        bench.figure("ferry --version, whole process", _runs([str(ferry), "--version"]), "ms")
