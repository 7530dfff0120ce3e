"""Writes the libsvm goldens beside this file with sklearn.datasets.dump_svmlight_file, and the damaged ones under bad/. See versions.txt."""
import pathlib
import sys

import numpy as np
import scipy.sparse
import sklearn
from sklearn.datasets import dump_svmlight_file

HERE = pathlib.Path(__file__).parent
X = scipy.sparse.csr_matrix(np.array([[0, 1.5, 0, 0], [0, 0, 0, 0], [-2.25, 0, 1e-300, 0.1], [0, 0, 0, 7]]))
Y = np.array([1.0, -1.0, 0.5, 2.0])
SEVERAL = scipy.sparse.csr_matrix(np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]]))


def save(name, *data, **options):
    dump_svmlight_file(*data, str(HERE / f"{name}.libsvm"), **options)


save("zero_based", X, Y, zero_based=True)
save("one_based", X, Y, zero_based=False)
save("comment", X, Y, zero_based=True, comment="a line\nand another: 1:2")
save("query", X, Y, query_id=np.array([3, 3, 4, 9]), zero_based=False)
save("multilabel", X, SEVERAL, multilabel=True, zero_based=False)
save("integers", X.astype(np.int64), Y.astype(np.int64), zero_based=False)

BAD = {
    "falling": ("1 2:1 1:1\n", "at byte 6: line 1: index 1 follows 2 in this row"),
    "twice": ("1 1:1\n1 2:1 2:1\n", "at byte 12: line 2: index 2 comes twice in this row"),
    "negative": ("1 1:1\n1 -2:1\n", "at byte 8: line 2: the index in '-2:1' is negative"),
    "value": ("1 1:x\n", "at byte 4: line 1: found 'x' as the value of index 1"),
    "pair": ("1 1:1 7\n", "at byte 6: line 1: found '7', expected index:value"),
    "label": ("yes 1:1\n", "at byte 0: line 1: found 'yes' as the label"),
    "huge": ("1 99999999999999999999:1\n", "has more than 18 digits"),
    "query": ("1 qid:1 1:1\n1 1:1\n", "at byte 14: line 2: this row has no qid"),
}
(HERE / "bad").mkdir(exist_ok=True)
for name, (text, sentence) in BAD.items():
    (HERE / "bad" / f"{name}.libsvm").write_text(text)
    (HERE / "bad" / f"{name}.libsvm.expected").write_text(sentence + "\n")
(HERE / "versions.txt").write_text(f"python {sys.version.split()[0]}\nnumpy {np.__version__}\nscipy {scipy.__version__}\nscikit-learn {sklearn.__version__}\n")
