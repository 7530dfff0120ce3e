"""Writes the HDF5 goldens of Keras 2 beside this file with tf_keras. Run by hand; see versions.txt, whose last lines are its own."""
import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"], os.environ["CUDA_VISIBLE_DEVICES"] = "3", "-1"
import tensorflow as tf
import tf_keras

HERE = pathlib.Path(__file__).parent

# One layer has no weights, one has weights that are not trained; names divided over several attributes are in the second file.
tf_keras.utils.set_random_seed(1)
layers = [tf_keras.Input((3,)), tf_keras.layers.Dense(2, name="hidden"), tf_keras.layers.Dropout(0.5, name="drop"), tf_keras.layers.BatchNormalization(name="norm")]
model = tf_keras.Sequential(layers, name="small")
model.save_weights(HERE / "keras2_weights.h5", save_format="h5")

tf_keras.src.saving.legacy.hdf5_format.HDF5_OBJECT_HEADER_LIMIT = 40
model = tf_keras.Sequential([tf_keras.Input((3,)), tf_keras.layers.Dense(2, name="hidden"), tf_keras.layers.Dense(1, name="output")])
model.compile(tf_keras.optimizers.SGD(0.1, momentum=0.9), "mse")
model.fit([[1.0, 2.0, 3.0]], [[1.0]], verbose=0)
model.save(HERE / "keras2_whole.h5", save_format="h5")

versions = HERE / "versions.txt"
lines = [line for line in versions.read_text().splitlines() if not line.startswith(("tensorflow ", "tf_keras "))]
versions.write_text("\n".join([*lines, f"tensorflow {tf.__version__}", f"tf_keras {tf_keras.__version__}"]) + "\n")
