"""tools/check_layers names a wrong arrow, and only a wrong one."""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "check_layers"


def run(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run([sys.executable, str(TOOL), folder], capture_output=True, text=True)
        return done.returncode, done.stdout


def main():
    good = {"src/formats/npy/npy.cc": '#include "ferry/tensor.h"\n#include "io/zip.h"\n', "include/ferry/tensor.h": '#include "ferry/status.h"\n'}
    assert run(good) == (0, ""), run(good)

    code, out = run({"src/tensor/sort.cc": '#include "ferry/status.h"\n#include "formats/npy/npy.h"\n'})
    assert code == 1 and "src/tensor/sort.cc:2: tensor may not include formats/npy/npy.h" in out, out

    code, out = run({"include/ferry/tensor.h": '#include "ferry/io.h"\n'})
    assert code == 1 and "include/ferry/tensor.h:1" in out, out

    code, out = run({"src/attic/x.cc": ""})
    assert code == 1 and "no room" in out, out
    print("4 passed, 0 failed")


main()
