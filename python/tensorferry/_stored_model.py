"""Models as data: SavedModels, .meta files and graphs, opened without TensorFlow. Nothing runs here."""

from __future__ import annotations

import os
from collections import namedtuple
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._core import DType

from . import _core

FunctionCall = namedtuple("FunctionCall", "name attrs")
FunctionCall.__doc__ = "A function of the library, and the attributes that it is called with."


class Placeholder(str):
    """In a function's body: the name of the call's attribute that stands here."""


class PortPart(namedtuple("PortPart", "key tensor role level dtype shape default")):
    """One plain tensor of a logical one.

    key: in the signature's flat map, or None. tensor: in the graph ("x:0"). role: values, indices, dense_shape or row_splits (level counts
    from the outermost). shape: a tuple with None for any length, or None. default: a serialized TensorProto, or None.
    """

    __slots__ = ()


class Port(namedtuple("Port", "name kind dtype shape origin argument parts")):
    """A logical tensor of a signature: dense, coo or ragged.

    origin: how it is known that the parts make it up: declared, structured, named or proposed. argument: of the function behind
    ("x['clicks']"), or None.
    """

    __slots__ = ()


class Signature(namedtuple("Signature", "key method inputs outputs notes proposed")):
    """What a model takes and gives: inputs and outputs by name, as Ports. proposed: read out of the graph, since the file has none."""

    __slots__ = ()


class ModelVariable(namedtuple("ModelVariable", "key path name role dtype shape nodes")):
    """A variable that a model wants from its checkpoint, and the nodes of the graph that are it."""

    __slots__ = ()


class Argument(namedtuple("Argument", "name dtype type_attr number_attr type_list_attr")):
    """An argument or result of a function; its dtype is None where an attribute says it."""

    __slots__ = ()


class OpUse(namedtuple("OpUse", "op nodes reached signatures by_function by_init by_saver core")):
    """How many nodes of an op there are, and what reaches them. core: TensorFlow has it by itself."""

    __slots__ = ()


class Trace(namedtuple("Trace", "function inputs outputs values")):
    """A function as it was traced once: its tensors, and the arguments that were none ("training=False")."""

    __slots__ = ()


def _value(kind: str, value: Any) -> Any:
    if kind == "func":
        return _call(value)
    if kind == "placeholder":
        return Placeholder(value)
    if kind == "list":
        return [_call(x) if isinstance(x, tuple) and len(x) == 2 and isinstance(x[1], dict) else x for x in value]
    return value


def _call(pair: tuple[str, dict[str, Any]]) -> FunctionCall:
    return FunctionCall(pair[0], {name: _value(*attr) for name, attr in pair[1].items()})


def _ports(rows: list[tuple]) -> dict[str, Port]:
    return {row[0]: Port(*row[:-1], tuple(PortPart(*part) for part in row[-1])) for row in rows}


def _signature(row: tuple) -> Signature:
    key, method, inputs, outputs, notes, proposed = row
    return Signature(key, method, _ports(inputs), _ports(outputs), tuple(notes), proposed)


class _Attrs(Mapping[str, "Any"]):
    __slots__ = ("_nodes", "_i", "_names")

    def __init__(self, nodes: Any, i: int, names: list[str]):
        self._nodes, self._i, self._names = nodes, i, names

    def __getitem__(self, name: str) -> Any:
        found = self._nodes.attr(self._i, name) if isinstance(name, str) else None
        if found is None:
            raise KeyError(name)
        return _value(*found)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<attributes {', '.join(self._names)}>"


class Node:
    """A node: name, op, device, inputs ("x", "x:1", "^x"), and attrs, a mapping that reads a value when it is asked for. Strings are
    bytes, shapes tuples with None for any length, dtypes tensorferry's, tensors DenseTensors, functions FunctionCalls."""

    __slots__ = ("name", "op", "device", "inputs", "attrs")

    def __init__(self, nodes: Any, i: int):
        self.name, self.op, self.device, self.inputs, names = nodes.node(i)
        self.attrs = _Attrs(nodes, i, names)

    def __repr__(self) -> str:
        return f"<Node {self.name!r} {self.op}({', '.join(self.inputs)})>"


class Nodes(Sequence[Node]):
    """Nodes in the order of the file, by position or by name."""

    __slots__ = ("_core",)

    def __init__(self, core: Any):
        self._core = core

    def __len__(self) -> int:
        return len(self._core)

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, str):
            at = self._core.find(which)
            if at is None:
                raise KeyError(which)
            return Node(self._core, at)
        if isinstance(which, slice):
            return [Node(self._core, i) for i in range(*which.indices(len(self)))]
        at = which + len(self) if which < 0 else which
        if not 0 <= at < len(self):
            raise IndexError("no such node")
        return Node(self._core, at)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._core.find(name) is not None

    def __repr__(self) -> str:
        return f"<{len(self)} nodes>"


class Function:
    """A function of the library: inputs and outputs (Arguments), nodes, ret (output → tensor of the body), control_ret, attrs."""

    __slots__ = ("name", "inputs", "outputs", "nodes", "ret", "control_ret", "attrs")

    def __init__(self, core: Any):
        self.name = core.name
        self.inputs = [Argument(*row) for row in core.inputs()]
        self.outputs = [Argument(*row) for row in core.outputs()]
        self.nodes = Nodes(core.nodes())
        self.ret, self.control_ret = core.ret(), core.control_ret()
        self.attrs = {name: _value(*attr) for name, attr in core.attrs().items()}

    def __repr__(self) -> str:
        return f"<Function {self.name!r}, {len(self.nodes)} nodes>"


class Functions(Mapping[str, Function]):
    """The functions of a graph by name, each read when it is asked for."""

    __slots__ = ("_core", "_names")

    def __init__(self, core: Any):
        self._core, self._names = core, core.function_names()

    def __getitem__(self, name: str) -> Function:
        found = self._core.function(name) if isinstance(name, str) else None
        if found is None:
            raise KeyError(name)
        return Function(found)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<{len(self)} functions>"


class Graph:
    """nodes, functions, and the versions of its producer and of the oldest consumer that it is for."""

    __slots__ = ("nodes", "functions", "producer", "min_consumer")

    def __init__(self, core: Any):
        self.nodes, self.functions = Nodes(core.nodes()), Functions(core)
        self.producer, self.min_consumer = core.versions()

    def __repr__(self) -> str:
        return f"<Graph of {len(self.nodes)} nodes, {len(self.functions)} functions>"


class MetaGraph:
    """A graph with what belongs to it: signatures, variables, collections, assets, functions that can be called."""

    def __init__(self, core: Any):
        self._core = core
        self.tags: tuple[str, ...] = tuple(core.tags())
        self.tensorflow_version: str = core.tensorflow_version()

    @cached_property
    def graph(self) -> Graph:
        return Graph(self._core)

    @cached_property
    def signatures(self) -> dict[str, Signature]:
        """By key. Inputs that TensorFlow flattened are put together as the tensors that they were."""
        return {row[0]: _signature(row) for row in self._core.signatures()}

    def propose_signature(self) -> Signature | None:
        """For a graph without signatures: its placeholders, sparse ones found, and what looks like a result."""
        row = self._core.proposed()
        return None if row is None else _signature(row)

    @cached_property
    def variables(self) -> list[ModelVariable]:
        return [ModelVariable(*row[:-1], tuple(row[-1])) for row in self._core.variables()]

    def callables(self, all: bool = False) -> dict[str, tuple[Trace, ...]]:
        """Functions of the object graph by path ("encoder/call"), with their traces; all: those that nobody wrote by hand too."""
        return {
            path: tuple(Trace(name, _ports(inputs), _ports(outputs), tuple(values)) for name, inputs, outputs, values in traces)
            for path, traces in self._core.callables(all)
        }

    @property
    def functions(self) -> Functions:
        return self.graph.functions

    @cached_property
    def collections(self) -> dict[str, list[Any]]:
        return {name: self._core.collection(name)[1] for name in self._core.collection_names()}

    @property
    def init_ops(self) -> list[str]:
        return self._core.init_ops()

    @property
    def assets(self) -> list[tuple[str | None, str]]:
        """(the tensor that is fed its path, or None; the file's name in assets/)"""
        return self._core.assets()

    def ops(self) -> dict[str, OpUse]:
        return {row[0]: OpUse(*row[:3], tuple(row[3]), *row[4:]) for row in self._core.ops()}

    def __repr__(self) -> str:
        return f"<MetaGraph {{{', '.join(self.tags)}}}>"


class StoredModel(MetaGraph):
    """A model as it lies on disk. What a MetaGraph has is that of the chosen meta graph; all of them are in `meta_graphs`.

    kind: "SavedModel", "MetaGraph" (a .meta file) or "GraphDef". is_text: the file is protobuf text.
    checkpoint: the prefix of its variables, or None where they are not there.
    """

    def __init__(self, path: str | os.PathLike[str], tags: Iterable[str] = (), limits: Mapping[str, int] | None = None):
        self.path: str = os.fspath(path)
        self._model = _core._StoredModel(os.fsencode(path), limits)
        self.kind: str = self._model.kind
        self.is_text: bool = self._model.is_text
        super().__init__(self._model.meta_graph(self._model.choose([tags] if isinstance(tags, str) else list(tags))))

    @cached_property
    def meta_graphs(self) -> list[MetaGraph]:
        return [MetaGraph(self._model.meta_graph(i)) for i in range(len(self._model))]

    @property
    def checkpoint(self) -> str | None:
        prefix = self._model.variables()
        if prefix is None:
            return None
        folder = self.path if os.path.isdir(self.path) else os.path.dirname(self.path)
        return os.path.join(folder, prefix)

    @property
    def fingerprint(self) -> tuple | None:
        """(saved_model_checksum, graph_def_program_hash, signature_def_hash, saved_object_graph_hash, checkpoint_hash, uuid)"""
        return self._model.fingerprint()

    def serialize(self) -> bytes:
        """The message in protobuf's wire format, also of a text file."""
        return self._model.serialized()

    def __repr__(self) -> str:
        return f"<{self.kind} {self.path!r}>"


def open_model(
    path: str | os.PathLike[str], tags: Iterable[str] = (), *, limits: Mapping[str, int] | None = None
) -> StoredModel:
    """A SavedModel folder, a .meta file or checkpoint prefix, or a GraphDef, binary or text, as data.

    tags: of the meta graph that is wanted; without, {serve} where there is one, else the only one.
    """
    return StoredModel(path, tags, limits)
