"""docs/dataset.md: its Python runs, from the first line to the last."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tensorferry as ferry

PAGE = Path(__file__).resolve().parents[2] / "docs" / "dataset.md"


def test_its_snippets_run(tmp_path):
    pytest.importorskip("scipy")
    snippets = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    assert len(snippets) >= 4
    (tmp_path / "page.py").write_text("\n".join(snippets))
    environment = {**os.environ, "PYTHONPATH": f"{Path(ferry.__file__).parent.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
