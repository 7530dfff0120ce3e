"""docs/training.md: its Python runs, from the first line to the last."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tensorferry as ferry

PAGE = Path(__file__).resolve().parents[3] / "docs" / "training.md"


def test_its_snippets_run(tmp_path):
    for name in ("keras", "tensorflow", "torch"):
        pytest.importorskip(name)
    snippets = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    assert len(snippets) >= 5
    script = tmp_path / "page.py"
    script.write_text("\n".join(["import sys", 'sys.modules["triton"] = None  # beside TensorFlow it aborts', *snippets]))
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    environment["PYTHONPATH"] = f"{Path(ferry.__file__).parent.parent}{os.pathsep}{environment.get('PYTHONPATH', '')}"
    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "ran out of data" not in done.stderr
