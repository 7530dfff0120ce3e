"""Commands that stream need little memory beside the data's 192 MiB: the peak of each process, measured."""
import os
import shutil
import subprocess
import sys
import tempfile

LIMIT_KB = 60 << 10  # the program itself, its blocks, and a few pages of each file


def main(ferry):
    folder = tempfile.mkdtemp()
    try:
        return run(ferry, folder)
    finally:
        shutil.rmtree(folder)


def run(ferry, folder):
    def peak(*words):
        process = subprocess.Popen([ferry, *words], cwd=folder, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"ferry {' '.join(words)}: exit {process.returncode}")
        return usage.ru_maxrss

    peak("make", "a.npz", "--name", "w", "--shape", "1024,49152")
    too_much = []
    for words in (["convert", "a.npz", "a.safetensors"], ["convert", "a.safetensors", "a", "--to", "ckpt", "--check"], ["convert", "a", "b.npz"],
                  ["verify", "a"], ["stats", "a"], ["diff", "a", "a.safetensors"], ["ckpt", "rename", "a", "b", "--rename", "w=v"]):
        used = peak(*words)
        print(f"{used:8} KiB  ferry {' '.join(words)}")
        if used > LIMIT_KB:
            too_much.append(words)
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
