#!/usr/bin/env python3
"""Runs the command line cases: run.py [--update] [--ferry PATH] CASE.test ...

A case file is a session in a fresh folder. Lines of it:

    # words             a comment
    needs: npz json     skip the file (exit 77) unless this build has these formats or commands ("terminal":
                         the machine gives pseudo-terminals)
    file NAME           the indented lines below, four spaces taken off, become this file
    $ command           run by bash; `ferry` is the build's own, $GOLDENS the folder tests/golden
    > text              stdout, this line exactly
    >~ glob             stdout, a line that fits (* ? [..])
    >...                stdout, any number of lines
    ! text, !~ glob, !...   the same for stderr
    = 3                 the exit code, 0 where not said

Output that is not spelt out must be empty. --update rewrites what differs; globs that still fit are kept.
"""
import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile

SKIPPED = 77
TIMEOUT = 60  # seconds a command; a hang is a failure, not a stuck build


class Step:
    def __init__(self, number, command):
        self.number, self.command = number, command
        self.out, self.err = [], []  # (kind, text), kind one of "=", "~", "..."
        self.code = 0


def parse(path):
    """The file as a list of items: text lines as they are, and Steps."""
    items, needs, files, step, file_name = [], [], {}, None, None
    for number, raw in enumerate(open(path, encoding="utf-8", errors="surrogateescape"), 1):
        line = raw.rstrip("\n")
        if file_name is not None and line.startswith("    "):
            files[file_name] += line[4:] + "\n"
            items.append(line)
            continue
        file_name = None
        if line.startswith("$ "):
            step = Step(number, line[2:])
            items.append(step)
        elif step is not None and line[:1] in (">", "!"):
            expected = step.out if line[0] == ">" else step.err
            if line[1:] == "...":
                expected.append(("...", ""))
            elif line[1:2] == "~":
                expected.append(("~", line[3:]))
            else:
                expected.append(("=", line[2:]))
        elif step is not None and line.startswith("= "):
            step.code = int(line[2:])
        else:
            step = None
            items.append(line)
            if line.startswith("needs:"):
                needs += line[6:].split()
            elif line.startswith("file "):
                file_name = line[5:]
                files[file_name] = ""
            elif line and not line.startswith("#"):
                sys.exit(f"{path}:{number}: not a line of a case: {line}")
    return items, needs, files


def fits(expected, lines):
    if not expected:
        return not lines
    kind, text = expected[0]
    if kind == "...":
        return any(fits(expected[1:], lines[i:]) for i in range(len(lines) + 1))
    if not lines:
        return False
    same = lines[0] == text if kind == "=" else fnmatch.fnmatchcase(lines[0], text)
    return same and fits(expected[1:], lines[1:])


def lines_of(data):
    text = data.decode("utf-8", "backslashreplace")
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    else:
        lines[-1] += "\\c"  # no newline at the end
    return lines


def run(step, folder, environment):
    done = subprocess.run(["bash", "-c", step.command], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=TIMEOUT)
    return lines_of(done.stdout), lines_of(done.stderr), done.returncode


def spelled(mark, expected, lines):
    """What --update writes: the old lines where they fit, else the new ones."""
    if fits(expected, lines):
        return [mark + "..." if k == "..." else f"{mark}~ {t}" if k == "~" else f"{mark} {t}".rstrip(" ") for k, t in expected]
    return [f"{mark} {line}".rstrip(" ") for line in lines]


def check(path, ferry, update):
    items, needs, files = parse(path)
    version = json.loads(subprocess.run([ferry, "--version", "--json"], capture_output=True, check=True).stdout)
    have = set(version["formats"]) | set(version["commands"])
    if has_terminals():
        have.add("terminal")
    missing = [need for need in needs if need not in have]
    if missing:
        print(f"skipped: {path} needs {' '.join(missing)}")
        return SKIPPED
    failures, output = 0, []
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
        environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
        environment.update(PATH=os.path.dirname(os.path.abspath(ferry)) + ":" + environment["PATH"], LC_ALL="C.UTF-8",
                           PYTHON=sys.executable, GOLDENS=os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden"))
        for item in items:
            if isinstance(item, str):
                output.append(item)
                continue
            out, err, code = run(item, folder, environment)
            # A line that was written without its trailing spaces still is that line.
            out, err = [line.rstrip(" ") for line in out], [line.rstrip(" ") for line in err]
            bad = [what for what, good in (("stdout", fits(item.out, out)), ("stderr", fits(item.err, err)), ("exit code", item.code == code))
                   if not good]
            output += ["$ " + item.command] + spelled(">", item.out, out) + spelled("!", item.err, err)
            if code != 0:
                output.append(f"= {code}")
            if bad and not update:
                failures += 1
                print(f"{path}:{item.number}: {' and '.join(bad)} differ\n$ {item.command}")
                for mark, lines in ((">", out), ("!", err)):
                    for line in lines:
                        print(f"{mark} {line}")
                print(f"= {code}, expected {item.code}\n")
    if update:
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write("\n".join(output) + "\n")
    return 1 if failures else 0


def has_terminals():
    try:
        for fd in os.openpty():
            os.close(fd)
    except OSError:
        return False
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--ferry", default="build/bin/ferry")
    parser.add_argument("cases", nargs="+")
    arguments = parser.parse_args()
    codes = [check(path, arguments.ferry, arguments.update) for path in arguments.cases]
    if 1 in codes:
        sys.exit(1)
    sys.exit(SKIPPED if all(code == SKIPPED for code in codes) else 0)


main()
