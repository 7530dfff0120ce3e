"""The examples that need TensorFlow, PyTorch or PyArrow."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from test_examples import run, scripts  # noqa: E402


@pytest.mark.parametrize("path", scripts(True), ids=lambda path: path.name)
def test_runs(path, tmp_path):
    run(path, tmp_path)
