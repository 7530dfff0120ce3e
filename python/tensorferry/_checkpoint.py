"""Checkpoint: any file of named tensors as what training kept. A mapping that reads a tensor when it is asked for."""

from __future__ import annotations

import os
from collections import namedtuple
from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._map import Tensor, TensorMap
    from ._plan import Plan

from . import _core


class VariableInfo(
    namedtuple("VariableInfo", "key path name role slot_name slot_of of_optimizer kind dtype shape nnz bytes node")
):
    """What a checkpoint says of one variable without reading it.

    key: what the file calls it. path: the object that held it ("model/layer-1/kernel"), or None without an object graph.
    name: what the program called it ("dense/kernel"); the key where the file keeps no other.
    role: weight, slot, counter, state or other. of_optimizer: of no use without one.
    slot_name, slot_of: what an optimizer keeps, and the key of the variable that it is kept beside, where they are known.
    kind, dtype, shape, nnz and bytes as inspect() gives them. node: the number of its object, or None.
    """

    __slots__ = ()


_UNASKED = object()


def _tensors(core: Any) -> Iterator[Tensor]:
    """All of them in order, some at a time."""
    position, count = 0, len(core)
    while position < count:
        some = core.read_from(position)
        position += len(some)
        yield from some


class _Values(ValuesView):
    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return _tensors(self._mapping._core)


class _Items(ItemsView):
    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return zip(self._mapping._core.keys(), _tensors(self._mapping._core))


class Checkpoint(Mapping[str, "Tensor"]):
    """A checkpoint of TensorFlow (prefix, any of its files, folder, SavedModel), Keras (.keras, .weights.h5), PyTorch, safetensors, or
    any other file of named tensors.

    A mapping from keys to tensors. Opening it reads no listing, and `ckpt[key]` nothing but that tensor where the format can; tensors
    are not kept. Objects' paths and variables' names find a tensor too: `ckpt["model/dense/kernel"]`; of an object that holds the parts of
    a sparse or ragged tensor as variables, that tensor.

    parts, validate, limits and options are those of load().
    """

    __slots__ = ("path", "_core", "_arguments", "_infos", "_graph")

    def __init__(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,
        *,
        parts: bool | Mapping[str, Iterable[str]] = True,
        validate: str = "bounds",
        limits: Mapping[str, int] | None = None,
        **options: Any,
    ):
        self.path: str = os.fspath(path)
        self._arguments = (format, parts, validate, limits, options)
        self._core = _core._Checkpoint(os.fsencode(path), format, parts, validate, limits, options)
        self._infos: dict[str, VariableInfo] | None = None
        self._graph: Any = _UNASKED

    @property
    def format(self) -> str:
        return self._core.format

    def __getitem__(self, key: str) -> Tensor:
        found = self._core.get(key)
        if found is None:
            raise KeyError(_missing(self, key))
        return found

    def __contains__(self, key: object) -> bool:
        return self._core.key(key) is not None or self._core.has_group(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._core.keys())

    def __len__(self) -> int:
        return len(self._core)

    def values(self) -> ValuesView:
        return _Values(self)

    def items(self) -> ItemsView:
        return _Items(self)

    @property
    def metadata(self) -> dict[str, str]:
        """Text that the file keeps of the whole."""
        return self._core.metadata()

    @property
    def infos(self) -> dict[str, VariableInfo]:
        """What is known of each variable, by key, in the file's order."""
        if self._infos is None:
            self._infos = {row[0]: VariableInfo(*row) for row in self._core.variables()}
        return self._infos

    def info(self, text: str) -> VariableInfo:
        """By key, path or name."""
        key = self._core.key(text)
        if key is None:
            raise KeyError(_missing(self, text))
        return self.infos[key]

    @property
    def objects(self) -> ObjectNode | None:
        """The root of the objects that the program saved; None where the file keeps none (only TensorFlow's and Keras's do)."""
        if self._graph is _UNASKED:
            self._graph = self._core.objects()
        return None if self._graph is None else ObjectNode(self, self._graph, 0)

    def to_map(self, role: str | Iterable[str] | None = None) -> TensorMap:
        """A TensorMap of the tensors, lazy as load()'s; of one role or several only, where they are named."""
        from ._files import load

        format, parts, validate, limits, options = self._arguments
        out = load(self.path, format, parts=parts, validate=validate, limits=limits, **options)
        if role is not None:
            roles = {role} if isinstance(role, str) else set(role)
            if unknown := roles - {"weight", "slot", "counter", "state", "other"}:
                raise ValueError(f"no role is called {sorted(unknown)[0]!r}; roles are weight, slot, counter, state and other")
            for key, info in self.infos.items():
                if info.role not in roles:
                    del out[key]
        return out

    def plan(
        self,
        target: Any,
        rules: Any = None,
        *,
        allow_partial: bool = False,
        accept_proposed: bool = False,
        slots: bool = False,
        fix: str | Iterable[str] = (),
    ) -> Plan:
        """Which variable of `target` gets which tensor of this checkpoint, and why: print it, then apply() it, or write() it.

        target: a model of Keras, TensorFlow (tf.Module, tf.train.Checkpoint, a list of variables) or PyTorch; a mapping, nested or not, of names
        to arrays (Flax parameters, a state_dict) or to (dtype, shape); another Checkpoint, the path of one, or of a JSON or CSV list.
        rules: rename rules, "REGEX=NAME", one or several, or a dict of them; a path object is a file of rules.
        allow_partial: what is not restored stays as it is. accept_proposed: proposals are restored. slots: the optimizer's state is wanted too (a
        Keras optimizer is built for it). fix: what may be done to make tensors fit: transpose, reshape, axes, resize, cast, all.
        docs/checkpoints.md says what each verdict means.
        """
        from ._plan import make_plan

        return make_plan(self, target, rules, allow_partial=allow_partial, accept_proposed=accept_proposed, slots=slots, fix=fix)

    @staticmethod
    def save(
        path: str | os.PathLike[str],
        tensors: Any,
        format: str | None = None,
        *,
        root: str | None = "model",
        slots: bool = True,
        **options: Any,
    ) -> None:
        """Writes a checkpoint: of tensors by name, or of a live model.

        tensors: a mapping of names to tensors, nested or not; a Keras, TensorFlow or PyTorch model; or a mapping of names to objects that
        TensorFlow tracks, as tf.train.Checkpoint(**mapping) takes them. Without an extension that says otherwise the format is ckpt.
        What TensorFlow tracks is written with its object graph, under `root`: tf.train.Checkpoint(model=model).restore(path) takes it;
        root=None makes the object itself the root, as tf_keras' save_weights does. Other formats have the variables by name, and
        `.weights.h5` by the keys that Keras 3 loads. slots: the optimizer's state too. The files appear whole or not at all.
        """
        from ._save import save_checkpoint

        save_checkpoint(path, tensors, format, root=root, slots=slots, **options)

    def __repr__(self) -> str:
        from ._repr import checkpoint

        return checkpoint(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.path, *self._arguments)


def _reopened(path: str, format: Any, parts: Any, validate: Any, limits: Any, options: dict[str, Any]) -> Checkpoint:
    return Checkpoint(path, format, parts=parts, validate=validate, limits=limits, **options)


def _missing(checkpoint: Checkpoint, text: str) -> str:
    from difflib import get_close_matches

    infos = checkpoint.infos.values()
    known = [text for info in infos for text in (info.key, info.path, info.name) if text]
    near = get_close_matches(text, known, 1, 0.8) if len(known) <= 10_000 else []
    if near:
        return f"{checkpoint.path} has no variable {text!r}; did you mean {near[0]!r}?"
    keys = ", ".join(repr(key) for key in list(checkpoint)[:8]) + (", …" if len(checkpoint) > 8 else "")
    return f"{checkpoint.path} has no variable {text!r}; there are {keys or 'none'}"


class ObjectNode:
    """An object that a program saved. Its children are attributes and items (`node.layer`, `node["layer-1"]`, `node["a/b"]`); iterating
    gives their names. Objects are shared and may contain themselves: equal nodes are the same object."""

    __slots__ = ("_checkpoint", "_graph", "id")

    def __init__(self, checkpoint: Checkpoint, graph: Any, id: int):
        self._checkpoint, self._graph, self.id = checkpoint, graph, id

    def _at(self, id: int) -> ObjectNode:
        return ObjectNode(self._checkpoint, self._graph, id)

    @property
    def children(self) -> dict[str, ObjectNode]:
        return {name: self._at(id) for name, id in self._graph.children(self.id)}

    @property
    def path(self) -> str | None:
        """The shortest way from the root that passes no optimizer; names joined by "/"."""
        return self._graph.path(self.id)

    @property
    def attributes(self) -> dict[str, str]:
        """The keys under which the object's values are kept. A variable's is under VARIABLE_VALUE."""
        return {name: key for name, _, key in self._graph.attributes(self.id)}

    @property
    def key(self) -> str | None:
        """The key of a variable's value; None for what is none."""
        return self.attributes.get("VARIABLE_VALUE")

    @property
    def info(self) -> VariableInfo | None:
        return self._checkpoint.infos.get(self.key) if self.key else None

    @property
    def value(self) -> Tensor:
        """The tensor of a variable, or of an object whose variables are the parts of one."""
        if self.key is None:
            found = None if self.path is None else self._checkpoint._core.get(self.path)
            if found is not None:
                return found
            raise TypeError(f"{self.path or 'the root'} is no variable; its children are {', '.join(self) or 'none'}")
        return self._checkpoint[self.key]

    @property
    def is_optimizer(self) -> bool:
        return self._graph.is_optimizer(self.id)

    @property
    def slots(self) -> list[tuple[str, ObjectNode, ObjectNode]]:
        """(name, the variable, what is kept beside it): of an optimizer."""
        return [(name, self._at(original), self._at(id)) for name, original, id in self._graph.slots(self.id)]

    def _reachable(self) -> set[int]:
        seen, stack = {self.id}, [self.id]
        while stack:
            id = stack.pop()
            found = [child for _, child in self._graph.children(id)] + [slot for _, _, slot in self._graph.slots(id)]
            for child in found:
                if child not in seen:
                    seen.add(child)
                    stack.append(child)
        return seen

    @property
    def variables(self) -> list[VariableInfo]:
        """Those that this object leads to, itself included, in the file's order."""
        seen = self._reachable()
        return [info for info in self._checkpoint.infos.values() if info.node in seen]

    def paths(self) -> dict[str, str]:
        """The keys of these variables by their paths."""
        return {info.path: info.key for info in self.variables}

    def __getitem__(self, path: str) -> ObjectNode:
        at = self._find(path)
        if at is None:
            raise KeyError(f"{self.path or 'the root'} has no child {path!r}; there are {', '.join(map(repr, self)) or 'none'}")
        return at

    def _find(self, path: str) -> ObjectNode | None:
        children = dict(self._graph.children(self.id))
        if path in children:
            return self._at(children[path])
        own = self.path
        found = self._graph.find(path if not own else f"{own}/{path}") if own is not None and path else None
        return None if found is None else self._at(found)

    def __getattr__(self, name: str) -> ObjectNode:
        if not name.startswith("__"):
            for child, id in self._graph.children(self.id):
                if child == name:
                    return self._at(id)
        raise AttributeError(f"{self.path or 'the root'} has no child {name!r}")

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self._find(path) is not None

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._graph.children(self.id)])

    def __len__(self) -> int:
        return len(self._graph.children(self.id))

    def __bool__(self) -> bool:
        return True

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in self if name.isidentifier())]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectNode) and self.id == other.id and self._checkpoint is other._checkpoint

    def __hash__(self) -> int:
        return hash((self.id, id(self._checkpoint)))

    def __repr__(self) -> str:
        from ._repr import object_node

        return object_node(self)


def latest_checkpoint(folder: str | os.PathLike[str]) -> str | None:
    """The prefix of the latest checkpoint by the folder's file `checkpoint`, as tf.train.latest_checkpoint; None where there is none.

    A folder that was moved since is no matter: its checkpoints are found by their last part.
    """
    state = _core._checkpoint_state(os.fsencode(folder))
    return None if state is None else state[0]


def list_variables(path: str | os.PathLike[str]) -> list[tuple[str, list[int]]]:
    """(key, shape) of every tensor, sorted, as tf.train.list_variables."""
    return sorted((info.key, list(info.shape)) for info in Checkpoint(path, parts=False).infos.values())
