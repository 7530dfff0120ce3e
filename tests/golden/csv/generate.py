"""Writes the csv and tsv goldens with Python's csv module and numpy.savetxt, and the damaged ones under bad/. See versions.txt."""
import csv
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent
FORMATS = {"csv": ",", "tsv": "\t"}
BAD = {
    "negative": ("0,0,1\n0,-1,1\n", "at byte 8: line 2: found '-1' as the index of axis 1, expected 0 or more"),
    "fields": ("0,0,1\n0,1\n", "at byte 6: line 2: a record of 2 fields, expected 3"),
    "index": ("0.5,0,1\n", "expected a whole number (these are pairs"),
    "quote": ('row,value\n0,"1\n', "at byte 12: line 2: a quoted field is not closed"),
    "after_quote": ('row,value\n0,"1"x\n', "at byte 15: line 2: found 'x' after a closing quote"),
    "outside": ("row:2,value\n2,1\n", "expected an index below the axis' length, 2"),
    "value": ("row,value:int32\n0,x\n", "found 'x', expected a value of dtype int32"),
    "duplicate": ("0,0,1\n0,0,2\n", "[0, 0]"),
    "empty": ("\n", "the file is empty"),
}
for kind, delimiter in FORMATS.items():
    folder = HERE.parent / kind

    def save(name, rows, **options):
        with open(folder / f"{name}.{kind}", "w", newline="", encoding=options.pop("encoding", "utf-8")) as out:
            csv.writer(out, delimiter=delimiter, **options).writerows(rows)

    save("pairs", [[2, 0, 1.5], [0, 3, -2]])
    save("pairs_header", [["row", "col", "value"], [0, 0, 1], [1, 1, 2]], lineterminator="\n")
    save("pairs_rank3", [["i", "j", "k", "value"], [0, 5, 2, 1e300], [1, 0, 0, 0.1]])
    save("table", [["id", "score", "name"], [1, 0.5, 'a "quoted", word'], [-2, "", "two\nlines\tand a tab"]])
    save("table_quoted", [["a", "b"], [1, 2.5], [3, 4]], quoting=csv.QUOTE_ALL)
    save("byte_order_mark", [["x", "y"], [1, "é"]], encoding="utf-8-sig")
    np.savetxt(folder / f"savetxt.{kind}", np.arange(6.0).reshape(2, 3) / 7, delimiter=delimiter, header="a,b,c".replace(",", delimiter), comments="")
    (folder / "bad").mkdir(exist_ok=True)
    for name, (text, sentence) in BAD.items():
        (folder / "bad" / f"{name}.{kind}").write_text(text.replace(",", delimiter))
        (folder / "bad" / f"{name}.{kind}.expected").write_text(sentence + "\n")
    (folder / "versions.txt").write_text(f"python {sys.version.split()[0]}\nnumpy {np.__version__}\n")
