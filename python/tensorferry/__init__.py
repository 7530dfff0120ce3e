"""TensorFerry: sparse, ragged and dense tensors between NumPy, SciPy, TensorFlow, PyTorch, JAX and files, without TensorFlow.

    import tensorferry as ferry
    x = ferry.SparseTensor.from_pairs({(0, 1): 2.0, (2, 0): 5.0}, shape=(3, 4))
    ferry.save("x.npz", {"x": x})
    ferry.load("x.npz")["x"].to_scipy()

Importing the package imports no other; NumPy, SciPy and the frameworks are imported when an object of theirs is asked for.
"""

from __future__ import annotations

from . import _core
from ._arithmetic import add, allclose, matmul
from ._adapt_torch import collate_sparse
from ._adapters import Adapters
from ._arrow import from_arrow
from ._batches import Batches
from ._convert import as_tensor
from ._core import (
    DenseTensor, DType, RaggedTensor, RecordIndex, RecordReader, RecordWriter, SparseTensor, as_dtype, concat, deserialize_many_sparse, deserialize_sparse, from_dlpack,
    get_threads, parse_tensor, serialize_many_sparse, serialize_sparse, serialize_tensor, set_threads,
)  # fmt: skip
from ._checkpoint import Checkpoint, ObjectNode, VariableInfo, latest_checkpoint, list_variables
from ._examples import (
    ExampleParser, InferredFeatures, infer_features, parse_example, parse_example_list, parse_sequence_example, parse_single_example,
    parse_single_sequence_example, serialize_example, serialize_examples,
)  # fmt: skip
from ._errors import DeadlineError, Error, FileError, InternalError, NotFoundError, UnavailableError
from ._features import (
    FixedLenFeature, FixedLenSequenceFeature, RaggedFeature, SparseFeature, VarLenFeature, schema_from_text, schema_text,
)  # fmt: skip
from ._files import FormatInfo, Inspection, TensorInfo, dumps, formats, inspect, load, loads, save
from ._keras_callback import keras_checkpoints
from ._manager import CheckpointManager
from ._dataset import Dataset, DatasetIterator, SparseDataset, dataset
from ._map import TensorMap
from ._model import Model, Port, Signature
from ._nested import flatten, unflatten
from ._plan import IncompletePlan, Plan, PlanRow
from ._records import SkippedRegion
from ._spec import ElementSpec
from ._stored_model import MetaGraph, StoredModel, open_model
from ._version import __version__

from_pairs = SparseTensor.from_pairs
from_dense = SparseTensor.from_dense
from_scipy = SparseTensor.from_scipy
from_tf = as_tensor
from_torch = as_tensor
from_jax = as_tensor

__all__ = [
    "Adapters", "Batches", "Checkpoint", "CheckpointManager", "DType", "Dataset", "DatasetIterator", "DeadlineError", "DenseTensor", "ElementSpec", "Error",
    "ExampleParser", "FileError", "FixedLenFeature", "FixedLenSequenceFeature", "FormatInfo", "IncompletePlan", "InferredFeatures", "Inspection",
    "InternalError", "MetaGraph", "Model", "NotFoundError", "ObjectNode", "Plan", "PlanRow", "Port", "RaggedFeature", "RaggedTensor", "RecordIndex", "RecordReader", "RecordWriter",
    "Signature", "SkippedRegion", "SparseDataset", "SparseFeature", "SparseTensor",
    "StoredModel", "TensorInfo", "TensorMap", "UnavailableError", "VarLenFeature", "VariableInfo", "__version__", "add", "allclose", "as_dtype", "as_tensor",
    "collate_sparse", "concat", "dataset", "deserialize_many_sparse", "deserialize_sparse", "dumps", "flatten", "formats",
    "from_arrow", "from_dense", "from_dlpack", "from_jax", "from_pairs", "from_scipy", "from_tf", "from_torch", "get_threads",
    "infer_features", "inspect", "keras_checkpoints", "latest_checkpoint", "list_variables", "load", "loads", "matmul", "open_model", "parse_example", "parse_example_list", "parse_sequence_example", "parse_single_example",
    "parse_single_sequence_example", "parse_tensor", "save", "schema_from_text", "schema_text", "serialize_example",
    "serialize_examples", "serialize_many_sparse", "serialize_sparse", "serialize_tensor", "set_threads", "unflatten",
]  # fmt: skip

# One name for each dtype: tensorferry.float32, tensorferry.bfloat16, …; bool is bool_, as in NumPy.
for _dtype in _core._dtypes:
    _name = "bool_" if _dtype.name == "bool" else _dtype.name
    globals()[_name] = _dtype
    __all__.append(_name)
del _dtype, _name
