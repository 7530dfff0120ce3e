"""Writes the Matrix Market goldens beside this file with scipy.io.mmwrite, and the damaged ones under bad/. See versions.txt."""
import pathlib
import sys

import numpy as np
import scipy
import scipy.io
import scipy.sparse

HERE = pathlib.Path(__file__).parent
DENSE = np.array([[0, 1.5, 0], [0, 0, -2.25], [1e300, 0, 0.1]])


def save(name, matrix, **options):
    scipy.io.mmwrite(HERE / f"{name}.mtx", matrix, **options)


symmetric = DENSE + DENSE.T
skew = DENSE - DENSE.T
hermitian = np.array([[2, 1 + 2j, 0], [1 - 2j, 0, -3j], [0, 3j, 5]])
for kind, build in {"coordinate": scipy.sparse.coo_array, "array": np.asarray}.items():
    save(f"{kind}_real", build(DENSE))
    save(f"{kind}_float32", build(DENSE.clip(-9, 9).astype(np.float32)))
    save(f"{kind}_integer", build((DENSE.clip(-9, 9) * 4).astype(np.int64)))
    save(f"{kind}_unsigned", build((DENSE > 0).astype(np.uint64) * np.uint64(2**64 - 1)))
    save(f"{kind}_complex", build(DENSE.clip(-9, 9) * (1 + 2j)))
    save(f"{kind}_symmetric", build(symmetric), symmetry="symmetric")
    save(f"{kind}_skew", build(skew), symmetry="skew-symmetric")
    save(f"{kind}_hermitian", build(hermitian), symmetry="hermitian")
save("coordinate_pattern", scipy.sparse.coo_array(DENSE), field="pattern", comment="ones where there is something")
save("coordinate_empty", scipy.sparse.coo_array((3, 4)))
save("coordinate_wide", scipy.sparse.coo_array(([1.0], ([1], [10**12])), shape=(2, 10**12 + 1)))
save("array_column", np.array([[1.0], [2.0]]))

HEAD = "%%MatrixMarket matrix coordinate real general\n"
BAD = {
    "banner": ("%MatrixMarket matrix coordinate real general\n1 1 0\n", "at byte 0: found '%MatrixMarket'"),
    "row": (HEAD + "2 2 1\n3 1 1\n", "at byte 52: line 3: row 3 is not between 1 and 2"),
    "zero_column": (HEAD + "2 2 1\n1 0 1\n", "at byte 54: line 3: column 0 is not between 1 and 2"),
    "announced": (HEAD + "9 9 1000000000000\n1 1 1\n", "1000000000000 entries are announced"),
    "too_few": (HEAD + "2 2 2\n1 1 1.00000000\n", "the file ends after 1 of 2 announced entries"),
    "too_many": (HEAD + "2 2 1\n1 1 1\n2 2 2\n", "at byte 58: line 4: more than the 1 announced entries"),
    "value": (HEAD + "2 2 1\n1 1 one\n", "found 'one' as a value"),
    "square": (HEAD.replace("general", "symmetric") + "1 2 0\n", "is not square"),
    "diagonal": (HEAD.replace("general", "skew-symmetric") + "2 2 1\n1 1 3\n", "on the diagonal of a skew-symmetric matrix"),
    "field": (HEAD.replace("real", "boolean") + "1 1 0\n", "found 'boolean', expected real"),
    "array": ("%%MatrixMarket matrix array real general\n99999999999 99999999999\n", "more elements than 63 bits can count"),
}
(HERE / "bad").mkdir(exist_ok=True)
for name, (text, sentence) in BAD.items():
    (HERE / "bad" / f"{name}.mtx").write_text(text)
    (HERE / "bad" / f"{name}.mtx.expected").write_text(sentence + "\n")
(HERE / "versions.txt").write_text(f"python {sys.version.split()[0]}\nnumpy {np.__version__}\nscipy {scipy.__version__}\n")
