import functools
import os


@functools.cache
def tensorflow(threads=1):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    import tensorflow as tf
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return tf


def ferry(threads=1):
    import tensorferry
    tensorferry.set_threads(threads)
    return tensorferry
