import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import tensorferry as ferry

HERE = Path(ferry.__file__).parent


def run(code):
    environment = {**os.environ, "PYTHONPATH": str(Path(ferry.__file__).parent.parent)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment).stdout


def test_import_takes_no_framework_and_not_even_numpy():
    out = run(
        "import sys; before = set(sys.modules); import tensorferry; new = {m.partition('.')[0] for m in set(sys.modules) - before};"
        "print(*sorted(new & {'numpy', 'scipy', 'tensorflow', 'torch', 'jax', 'sparse', 'ml_dtypes', 'pyarrow'}))"
    )
    assert out.split() == []


def test_use_with_numpy_takes_no_framework():
    out = run(
        "import sys, numpy as np, tensorferry as f; x = f.SparseTensor.from_dense(np.eye(3)); repr(x); x[1]; x @ np.ones(3);"
        "print(*[m for m in ('scipy', 'tensorflow', 'torch', 'jax', 'sparse', 'ml_dtypes', 'pyarrow') if m in sys.modules])"
    )
    assert out.split() == []


def test_is_typed():
    assert (HERE / "py.typed").exists()
    stub = (HERE / "_core.pyi").read_text() if (HERE / "_core.pyi").exists() else None
    if stub is None:
        pytest.skip("stubs are made by the target ferry_python_stub")
    compile(stub, "_core.pyi", "exec")
    for name in ("SparseTensor", "DenseTensor", "RaggedTensor", "DType"):
        kind = getattr(ferry, name)
        for member in vars(kind):
            if not member.startswith("_"):
                assert f"def {member}(" in stub, f"{name}.{member} is not in the stub"


def test_everything_public_has_a_doc():
    for name in ferry.__all__:
        thing = getattr(ferry, name)
        if callable(thing):
            assert thing.__doc__, name
        assert name in dir(ferry)


def test_the_lock_is_released_while_a_kernel_runs():
    rng = np.random.default_rng(1)
    ferry.set_threads(1)
    try:
        x = ferry.SparseTensor(rng.integers(0, 5000, (1_000_000, 2)), rng.random(1_000_000), (5000, 5000))
        done = threading.Event()
        ticks = 0

        def work():
            x.coalesce().tocsr()
            done.set()

        thread = threading.Thread(target=work)
        thread.start()
        while not done.is_set():
            ticks += 1
            time.sleep(0.0005)
        thread.join()
        assert ticks > 10
    finally:
        ferry.set_threads(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_the_child_of_a_fork_has_threads_of_its_own():
    out = run(
        "import os, numpy as np, tensorferry as f\n"
        "f.set_threads(2)\n"
        "x = f.SparseTensor.from_dense(np.eye(2000)).tocsr(); d = np.ones((2000, 64))\n"
        "x @ d\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os._exit(0 if (x @ d).sum() == 2000 * 64 else 1)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    assert out.strip() == "0"
