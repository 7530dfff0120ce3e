import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"


@pytest.fixture(scope="session")
def ferry_cli():
    def run(*args, ok=True, stdin=None):
        done = subprocess.run([str(ROOT / "build" / "bin" / "ferry"), *map(str, args)], capture_output=True, input=stdin)
        assert not ok or done.returncode == 0, done.stderr.decode()
        return done
    return run


@pytest.fixture(scope="session")
def golden():
    return GOLDEN
