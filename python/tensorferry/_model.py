"""Model: a SavedModel, a frozen graph, or a MetaGraph with its checkpoint, run without TensorFlow."""

from __future__ import annotations

import os
from collections import namedtuple
from collections.abc import Iterable, Iterator, Mapping
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._map import Tensor

from . import _core
from ._convert import as_tensor


class Port(namedtuple("Port", "name kind dtype shape has_default parts")):
    """An input or output of a signature: kind is dense, coo or ragged; a length that may be any is None; parts are the plain tensors
    of the graph that it is made of, (key, tensor, dtype, shape) each."""

    __slots__ = ()

    def __str__(self) -> str:
        shape = "?" if self.shape is None else "[" + ", ".join("?" if n is None else str(n) for n in self.shape) + "]"
        kind = {"coo": "sparse "}.get(self.kind, "" if self.kind == "dense" else self.kind + " ")
        return f"{self.name}: {kind}{self.dtype.name if self.dtype else 'any'} {shape}"


class Signature:
    """One way to call a model: `signature(x=...)` gives the outputs by name."""

    __slots__ = ("_model", "key", "method", "inputs", "outputs", "proposed")

    def __init__(self, model: Any, key: str, method: str, inputs: list[tuple], outputs: list[tuple], proposed: bool):
        self._model = model
        self.key: str = key
        self.method: str = method
        self.inputs: dict[str, Port] = {port[0]: Port(*port) for port in inputs}
        self.outputs: dict[str, Port] = {port[0]: Port(*port) for port in outputs}
        self.proposed: bool = proposed

    def __call__(self, inputs: Mapping[str, Any] | None = None, /, *, timeout: float | None = None, **named: Any) -> dict[str, Tensor]:
        """Outputs by name. Inputs by their names, as keywords or in a mapping (for names that are no Python words), or by the flat names of
        all of an input's parts. Anything as_tensor() takes will do; lists and numbers get the dtype that the signature asks for.
        timeout: seconds after which the run stops with DeadlineError."""
        given = {**(inputs or {}), **named}
        return self._model.run(self.key, [(name, self._tensor(name, value), None) for name, value in given.items()], timeout)

    def _tensor(self, name: str, value: Any) -> Tensor:
        port = self.inputs.get(name)
        dtype = port.dtype if port is not None else None
        if port is None:
            dtype = next((part[2] for p in self.inputs.values() for part in p.parts if part[0] == name), None)
        if isinstance(value, (list, tuple, int, float, bool, str, bytes)) and dtype is not None and (port is None or port.kind == "dense"):
            return _core.DenseTensor(value, dtype=dtype)
        return as_tensor(value)

    def __repr__(self) -> str:
        return f"Signature({self.key!r}, {', '.join(map(str, self.inputs.values()))} -> {', '.join(map(str, self.outputs.values()))})"


class Model:
    """A model from a SavedModel folder, a frozen graph (.pb), or a .meta file beside its checkpoint.

    model = ferry.Model("saved_model/")
    model(x=[[1.0, 2.0]])["scores"]                    # the signature serving_default
    model.signatures["classify"](inputs=examples)
    model.run({"x:0": x}, ["logits:0"])                # any tensors of the graph

    Variables are read when an op first wants them; state (tables, variables that a signature changes) is the model's. Any number of threads
    may run it at once.
    """

    __slots__ = ("path", "signatures", "_core")

    def __init__(self, path: str | os.PathLike[str], *, tags: Iterable[str] | None = None, checkpoint: str | os.PathLike[str] | None = None):
        self.path: str = os.fspath(path)
        self._core = _core._load_model(os.fsencode(path), None if tags is None else list(tags), None if checkpoint is None else os.fsencode(checkpoint))
        self.signatures: dict[str, Signature] = {one[0]: Signature(self._core, *one) for one in self._core.signatures()}

    def signature(self, key: str | None = None) -> Signature:
        """That of a key; without one serving_default, or the only one there is."""
        if key is None:
            key = next(iter(self.signatures)) if len(self.signatures) == 1 else "serving_default"
        if key not in self.signatures:
            raise KeyError(f"the model has no signature {key!r}; there are {', '.join(map(repr, self.signatures)) or 'none'}")
        return self.signatures[key]

    def __call__(self, inputs: Mapping[str, Any] | None = None, /, *, timeout: float | None = None, **named: Any) -> dict[str, Tensor]:
        """The default signature: see Signature.__call__."""
        return self.signature()(inputs, timeout=timeout, **named)

    def run(self, feeds: Mapping[str, Any], fetches: Iterable[str]) -> list[Tensor]:
        """Any tensors of the graph by their names."""
        return self._core.run_tensors({name: as_tensor(value) for name, value in feeds.items()}, list(fetches))

    def check(self, key: str | None = None) -> None:
        """Raises, listing everything that stands in the way of running a signature."""
        self._core.prepare(self.signature(key).key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.signatures)

    def __repr__(self) -> str:
        return f"Model({self.path!r}, signatures={list(self.signatures)})"
