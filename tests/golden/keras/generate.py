"""Writes the Keras goldens beside this file, and the damaged ones under bad/. Run by hand; see versions.txt."""
import os
import pathlib
import sys
import zipfile

os.environ["KERAS_BACKEND"] = "numpy"
import h5py
import keras

HERE = pathlib.Path(__file__).parent
BAD = HERE / "bad"
BAD.mkdir(exist_ok=True)

keras.utils.set_random_seed(1)
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype="bfloat16"), keras.layers.Dense(1)])
model.save(HERE / "dense.keras")
with zipfile.ZipFile(HERE / "dense.keras") as old, zipfile.ZipFile(HERE / "deflated.keras", "w", zipfile.ZIP_DEFLATED) as new:
    for name in old.namelist():
        new.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), old.read(name), zipfile.ZIP_DEFLATED)


def bad(name, members, expected):
    with zipfile.ZipFile(BAD / name, "w") as z:
        for member, data in members.items():
            z.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), data)
    (BAD / (name + ".expected")).write_text(expected + "\n")


bad("no_weights.keras", {"metadata.json": "{}", "config.json": "{}"}, "without the member 'model.weights.h5'")
bad("no_hdf5.keras", {"metadata.json": "{}", "model.weights.h5": "hello"}, "member 'model.weights.h5': at byte 0: no HDF5 signature")
bad("sharded.keras", {"metadata.json": "{}", "model.weights.json": "{}"}, "the weights lie in several files")
(HERE / "versions.txt").write_text(f"Python {sys.version.split()[0]}\nkeras {keras.__version__}\nh5py {h5py.__version__}\n")
