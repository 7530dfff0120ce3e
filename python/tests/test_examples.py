"""The examples run, and hold what they say. Those that need a framework are run by oracle/test_framework_examples.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tensorferry as ferry

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FRAMEWORKS = ("import tensorflow", "import torch", "import pyarrow")


def scripts(frameworks):
    paths = [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("restore_sparse/*.py")]
    return sorted(path for path in paths if any(word in path.read_text() for word in FRAMEWORKS) == frameworks)


def run(path, folder):
    """In an empty folder, with the command line of the same build where there is one."""
    packages = Path(ferry.__file__).parent.parent
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PATH"] = f"{packages.parent / 'bin'}{os.pathsep}{environment['PATH']}"
    environment["PYTHONPATH"] = f"{packages}{os.pathsep}{environment.get('PYTHONPATH', '')}"
    done = subprocess.run([sys.executable, "-W", "error::SyntaxWarning", path], cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert not list(Path(folder).iterdir())  # they clean up


@pytest.mark.parametrize("path", scripts(False), ids=lambda path: path.name)
def test_runs(path, tmp_path):
    run(path, tmp_path)
