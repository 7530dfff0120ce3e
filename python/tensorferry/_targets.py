"""What a checkpoint is restored into or saved from, as a list of variables: a live model of Keras, TensorFlow or PyTorch, nested dicts of
arrays (Flax, state_dict), names with dtypes and shapes, or another checkpoint. Objects are told by their type's module, so that no
framework is imported to recognise another's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from . import _core
from ._convert import _OURS, as_tensor
from ._errors import Error


class Variable:
    """One variable of a target. get() gives its tensor, set(tensor) changes it; None where there is none to give, or it cannot be changed.
    of: the framework's own variable, or the object of which it is a part (of a table its keys). stable_name: in files of ours, where its name is not always the same."""

    __slots__ = ("name", "path", "key", "dtype", "shape", "role", "optional", "slot_name", "slot_of", "of_optimizer", "get", "set", "of", "part", "stable_name")

    def __init__(
        self,
        name: str = "",
        path: str = "",
        key: str = "",
        dtype: Any = None,
        shape: Any = None,
        role: str = "weight",
        optional: bool = False,
        slot_name: str = "",
        slot_of: str = "",
        get: Callable[[], Any] | None = None,
        set: Callable[[Any], Any] | None = None,
        of: Any = None,
    ):
        self.name, self.path, self.key, self.dtype, self.shape = name, path, key, dtype, shape
        self.role, self.optional, self.slot_name, self.slot_of, self.get, self.set = role, optional, slot_name, slot_of, get, set
        self.of, self.part, self.stable_name, self.of_optimizer = of, "", "", role == "slot"

    @property
    def shown(self) -> str:
        return self.name or self.path or self.key

    @property
    def saved_as(self) -> str:
        return self.key or self.name or self.path

    def row(self, keys: Any = ()) -> tuple[Any, ...]:
        """`keys`: those that there are."""
        key = self.stable_name if self.stable_name and self.key not in keys else self.key
        return (self.name, self.path, key, self.dtype, self.shape, self.role, self.optional, self.slot_name, self.slot_of, self.of_optimizer)


class Target:
    """variables, in order; words: what it is, for messages; live: whether variables can be set; root: the object whose paths the
    variables' are (TensorFlow), or None."""

    def __init__(self, variables: list[Variable], words: str, *, live: bool = False, root: Any = None, checkpoint: Any = None):
        self.variables, self.words, self.live, self.root, self.checkpoint = variables, words, live, root, checkpoint


def home_of(value: Any) -> str:
    """The framework an object is of: keras, tf_keras, tensorflow, torch, jax, or ""."""
    for kind in type(value).__mro__:
        root = kind.__module__.partition(".")[0]
        if root in ("keras", "tf_keras", "tensorflow", "torch", "jax", "jaxlib", "flax"):
            return "jax" if root == "jaxlib" else root
    return ""


def is_tracked(value: Any) -> bool:
    """Whether TensorFlow tracks it: its objects make the graph of a checkpoint."""
    return home_of(value) in ("keras", "tf_keras", "tensorflow") and hasattr(value, "_trackable_children") and not hasattr(value, "dense_shape")


def as_target(value: Any, *, slots: bool = False) -> Target:
    from ._checkpoint import Checkpoint

    if isinstance(value, (str, os.PathLike)):
        listed = _list_file(os.fspath(value))
        return listed if listed is not None else _of_checkpoint(Checkpoint(value, parts=False))
    if isinstance(value, Checkpoint):
        return _of_checkpoint(value)
    if isinstance(value, Target):
        return value
    home = home_of(value)
    if home in ("keras", "tf_keras"):
        return _of_keras(value, home, slots)
    if home == "tensorflow" and not hasattr(value, "__array__"):
        return _of_tensorflow(value)
    if home == "torch":
        return _of_torch(value)
    if isinstance(value, Mapping):
        if any(map(is_tracked, value.values())) and not all(hasattr(v, "assign") for v in value.values()):
            import tensorflow as tf

            return _of_tensorflow(tf.train.Checkpoint(**value))
        return _of_mapping(value)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return _of_sequence(value)
    if hasattr(value, "_trackable_children") or hasattr(value, "_checkpoint_dependencies"):
        return _of_tensorflow(value)
    raise TypeError(
        f"a {type(value).__module__}.{type(value).__name__} is nothing to restore into; that is a Keras, TensorFlow or PyTorch model, tf.Variables, "
        "a mapping of names to arrays or to (dtype, shape), a path or a Checkpoint"
    )


# ---- Files


def _list_file(path: str) -> Target | None:
    if not path.lower().endswith((".json", ".csv", ".tsv", ".txt")) or not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        rows = _core._read_wanted(file.read())
    return None if rows is None else Target([Variable(*row) for row in rows], path)


def _of_checkpoint(checkpoint: Any) -> Target:
    def reader(key: str) -> Callable[[], Any]:
        return lambda: checkpoint[key]

    variables = []
    for info in checkpoint.infos.values():
        if info.role == "other":
            continue
        at = Variable(info.name, info.path or "", info.key, info.dtype, info.shape, info.role, False, info.slot_name or "", info.slot_of or "", reader(info.key))
        at.of_optimizer = info.of_optimizer
        variables.append(at)
    return Target(variables, checkpoint.path, checkpoint=checkpoint)


# ---- Mappings and sequences


def _spec(value: Any) -> tuple[Any, Any] | None:
    """(dtype, shape) of what describes a variable and holds no values: a pair of the two, or an object with both."""
    if isinstance(value, tuple) and len(value) == 2 and not hasattr(value, "_fields"):
        dtype, shape = value
        if isinstance(dtype, (tuple, list)) or (shape is not None and not isinstance(shape, (tuple, list))):
            dtype, shape = shape, dtype
        if isinstance(dtype, str) or dtype is None or not isinstance(dtype, (tuple, list, int, float)):
            return dtype, None if shape is None else tuple(shape)
        return None
    if isinstance(value, Mapping) and "shape" in value and "dtype" in value:
        shape = value["shape"]
        return value["dtype"], None if shape is None else tuple(shape)
    if hasattr(value, "shape") and hasattr(value, "dtype") and not hasattr(value, "__array__") and not isinstance(value, _OURS):
        return (value.dtype, _dims(value.shape)) if not hasattr(value, "assign") else None
    return None


def _dims(shape: Any) -> tuple[int | None, ...] | None:
    """A TensorShape or tuple; None for an unknown rank, and within for an unknown length."""
    if getattr(shape, "rank", 0) is None:
        return None
    return tuple(None if n is None else int(n) for n in shape)


def _of_mapping(mapping: Mapping[str, Any]) -> Target:
    variables: list[Variable] = []
    seen: set[int] = set()

    def visit(inner: Mapping[str, Any], prefix: str) -> None:
        if id(inner) in seen:
            return
        seen.add(id(inner))
        for name, value in inner.items():
            name = str(name)
            full = f"{prefix}/{name}" if prefix else name
            spec = _spec(value)
            if spec is not None:
                variables.append(Variable(full, dtype=spec[0], shape=spec[1]))
            elif isinstance(value, Mapping):
                visit(value, full)
            elif value is not None and not (isinstance(value, (list, tuple, str, bytes)) and not value):
                variables.append(_entry(inner, name, value, full))

    visit(mapping, "")
    return Target(variables, f"a {type(mapping).__name__}", live=any(v.set for v in variables))


def _entry(inner: Mapping[str, Any], name: str, value: Any, full: str) -> Variable:
    home = home_of(value)
    if hasattr(value, "assign") and home in ("tensorflow", "keras", "tf_keras"):
        out = _assignable(value)
        out.name = full
        return out
    tensor_like = as_tensor(value)
    role = "counter" if full.endswith("num_batches_tracked") else "weight"
    out = Variable(full, dtype=tensor_like.dtype, shape=tuple(tensor_like.shape), role=role, get=lambda: as_tensor(inner[name]))
    if home == "torch" and hasattr(value, "copy_"):
        out.set = lambda tensor: _copy_into(value, tensor)
    elif isinstance(inner, MutableMapping):
        def put(tensor: Any, key: Any = name if name in inner else None) -> None:
            inner[key] = _like(value, tensor)  # type: ignore[index]

        out.set = put
    return out


def _like(value: Any, tensor: Any) -> Any:
    """The tensor as the kind of thing that stood there."""
    home = home_of(value)
    if isinstance(value, _OURS):
        return tensor
    if home == "jax":
        import jax.numpy

        return jax.numpy.asarray(tensor.to_numpy())
    if home == "tensorflow":
        return tensor.to_tf()
    if home == "torch":
        return tensor.to_torch(copy=True)
    if hasattr(value, "tocsr") and hasattr(tensor, "to_scipy"):
        return tensor.to_scipy()
    array = tensor.to_numpy() if hasattr(tensor, "to_numpy") else tensor
    return array.copy() if hasattr(array, "copy") else array


def _of_sequence(values: Sequence[Any]) -> Target:
    if all(isinstance(value, Mapping) and "name" in value for value in values):
        rows = []
        for value in values:
            shape = value.get("shape")
            rows.append(Variable(
                value["name"], value.get("path", ""), value.get("key", ""), value.get("dtype"), None if shape is None else tuple(shape),
                value.get("role", "weight"), bool(value.get("optional", False)), value.get("slot_name", ""), value.get("slot_of", ""),
            ))  # fmt: skip
        return Target(rows, "a list of names")
    out = []
    for value in values:
        if not hasattr(value, "assign"):
            raise TypeError(f"a list to restore into holds variables, or dicts with name, dtype and shape; not a {type(value).__name__}")
        out.append(_assignable(value))
    return Target(out, "a list of variables", live=True)


# ---- PyTorch


def _copy_into(parameter: Any, tensor: Any) -> None:
    import torch

    with torch.no_grad():
        parameter.copy_(tensor.to_torch())


def _torch_dtype(value: Any) -> str:
    return str(value.dtype).removeprefix("torch.")


def _of_torch(value: Any) -> Target:
    if hasattr(value, "state_dict"):
        state = value.state_dict(keep_vars=True) if hasattr(value, "named_parameters") else value.state_dict()
    else:
        raise TypeError(f"a {type(value).__name__} is nothing to restore into; pass a torch.nn.Module or its state_dict()")
    if not hasattr(value, "named_parameters"):
        raise TypeError(f"the state of a {type(value).__name__} is numbered, not named; restore it with torch.load")
    parameters = dict(value.named_parameters())
    out = []
    for name, tensor in state.items():
        if not hasattr(tensor, "copy_"):
            continue  # extra state of a module's own
        at = Variable(name, dtype=_torch_dtype(tensor), shape=tuple(tensor.shape), role="counter" if name.endswith("num_batches_tracked") else "weight")
        at.get = lambda tensor=tensor: as_tensor(tensor.detach())
        at.set = lambda made, tensor=parameters.get(name, tensor): _copy_into(tensor, made)
        out.append(at)
    return Target(out, f"{type(value).__module__}.{type(value).__name__}", live=True)


# ---- Keras and TensorFlow


def _assignable(variable: Any) -> Variable:
    """A tf.Variable, or one of Keras."""
    home = home_of(variable)
    if home == "keras":
        name = getattr(variable, "path", None) or variable.name
        dtype = str(variable.dtype)
    else:
        name = variable.name.partition(":")[0]
        dtype = variable.dtype.base_dtype.name if hasattr(variable.dtype, "base_dtype") else str(variable.dtype)
    inner = getattr(variable, "_value", None)
    shape = _dims(inner.shape if inner is not None and hasattr(inner, "assign") else variable.shape)
    return Variable(name, dtype=dtype, shape=shape, get=lambda: _value_of(variable), set=lambda tensor: _assign(variable, tensor), of=variable)


def _value_of(variable: Any) -> Any:
    value = getattr(variable, "value", variable)
    value = value() if callable(value) else value
    if home_of(value) == "torch":
        value = value.detach()
    return as_tensor(value)


def _assign(variable: Any, tensor: Any) -> None:
    if home_of(variable) == "keras" and "torch" in type(getattr(variable, "_value", None)).__module__:
        _copy_into(variable._value, tensor)
        return
    variable.assign(tensor.to_tf() if _is_tensorflow(variable) else tensor.to_numpy())


def _is_tensorflow(variable: Any) -> bool:
    home = home_of(variable)
    return home == "tensorflow" or hasattr(getattr(variable, "_value", None), "handle")


def _escaped(name: str) -> str:
    return name.replace(".", "..").replace("/", ".S")


def _is_optimizer(node: Any) -> bool:
    return any(kind.__name__ in ("Optimizer", "BaseOptimizer", "OptimizerV2") for kind in type(node).__mro__)


def walk(root: Any) -> Iterator[tuple[str, Any, bool]]:
    """(path, object, of an optimizer only) of what TensorFlow tracks, breadth first, what optimizers hold last: as paths are told in files."""
    import tensorflow as tf

    view = tf.train.TrackableView(root)
    seen: set[int] = set()
    queue: list[tuple[str, Any, bool]] = [("", root, _is_optimizer(root))]
    later: list[tuple[str, Any, bool]] = []
    while queue or later:
        if not queue:
            queue, later = later, []
        following: list[tuple[str, Any, bool]] = []
        for path, node, owned in queue:
            if id(node) in seen:
                continue
            seen.add(id(node))
            yield path, node, owned
            for name, child in view.children(node).items():
                full = f"{path}/{_escaped(name)}" if path else _escaped(name)
                optimizer = not owned and _is_optimizer(child)
                (later if optimizer else following).append((full, child, owned or optimizer))
        queue = following


def _scalar(shape: Any) -> bool:
    return shape is not None and len(shape) == 0


def _role(name: str, dtype: Any, shape: Any, owned: bool) -> str:
    last = name.rpartition("/")[2].partition(":")[0]
    whole = str(dtype).startswith(("int", "uint"))
    if _scalar(shape) and whole and last in ("save_counter", "step", "global_step", "iteration", "iterations", "iter"):
        return "counter"
    if owned:
        return "slot" if not _scalar(shape) else "counter" if whole else "state"
    return "state" if "seed_generator" in name or last == "seed_generator_state" else "weight"


def _of_tensorflow(root: Any) -> Target:
    if hasattr(root, "assign"):
        return Target([_assignable(root)], "a variable", live=True)
    out: list[Variable] = []
    seen: set[int] = set()
    optimizers = []
    for path, node, owned in walk(root):
        if _is_optimizer(node):
            optimizers.append((path, node))
        if not hasattr(node, "assign") or not hasattr(node, "shape"):
            out.extend(_parts(node, path))
            continue
        at = _assignable(node)
        at.path = path
        at.role, at.of_optimizer = _role(at.name, at.dtype, at.shape, owned), owned
        seen.add(id(node))
        out.append(at)
    # Optimizers of TensorFlow 1, and of Keras 2 before 2.11, keep slots beside the variables: no child of anything.
    for path, optimizer in optimizers:
        for slot in optimizer.get_slot_names() if hasattr(optimizer, "get_slot_names") else ():
            for at in [at for at in out if at.role == "weight"]:
                found = _slot(optimizer, at.of, slot)
                if found is None or id(found) in seen:
                    continue
                new = _assignable(found)
                new.path, new.role = f"{at.path}/.OPTIMIZER_SLOT/{path}/{_escaped(slot)}", "slot"
                new.slot_name, new.slot_of, new.of_optimizer = slot, at.path, True
                seen.add(id(found))
                out.append(new)
    return Target(out, f"{type(root).__module__}.{type(root).__name__}", live=True, root=root)


def kept_tensors(node: Any) -> tuple[str, dict[str, Any]] | None:
    """What TensorFlow saves of an object that is no variable: tables, states of one's own. (its name in keys, tensors by what follows)."""
    if not any("_serialize_to_tensors" in vars(kind) for kind in type(node).__mro__ if kind.__name__ not in ("Trackable", "AutoTrackable")):
        return None
    try:
        tensors = node._serialize_to_tensors()
    except NotImplementedError:
        return None
    if any(isinstance(tensor, Mapping) or getattr(tensor, "dtype", None) == "variant" for tensor in tensors.values()):
        raise Error(f"a {type(node).__name__} has state that is no tensor; save and restore it with tf.train.Checkpoint", "unsupported")
    return getattr(node, "_LEGACY_SAVEABLE_NAME", None) or "", tensors


def _parts(node: Any, path: str) -> Iterator[Variable]:
    """They are set together, once all are there."""
    found = kept_tensors(node)
    if found is None:
        return
    prefix, tensors = found
    given: dict[str, Any] = {}

    def put(name: str, tensor: Any) -> None:
        given[name] = tensor.to_tf()
        if len(given) == len(tensors):
            node._restore_from_tensors(dict(given))

    for name, tensor in tensors.items():
        shape = tensor.shape
        at = Variable(f"{path}/{prefix}{name}", f"{path}/.ATTRIBUTES/{prefix}{name}", dtype=tensor.dtype.name, shape=(None,) * shape.rank, role="state")
        at.get = lambda name=name: as_tensor(node._serialize_to_tensors()[name])
        at.set = lambda made, name=name: put(name, made)
        at.of, at.part = node, name
        yield at


def _slot(optimizer: Any, variable: Any, name: str) -> Any:
    try:
        return optimizer.get_slot(variable, name)
    except (KeyError, ValueError, AttributeError, NotImplementedError):
        return None


# ---- Keras


def _of_keras(value: Any, home: str, slots: bool) -> Target:
    if hasattr(value, "assign") and not hasattr(value, "weights"):
        return Target([_assignable(value)], "a variable", live=True)
    optimizer = getattr(value, "optimizer", None)
    if slots and optimizer is not None and hasattr(optimizer, "build") and not getattr(optimizer, "built", True):
        optimizer.build(value.trainable_variables)
    elif slots and home == "tf_keras" and optimizer is not None:
        build = getattr(optimizer, "_create_all_weights", None) or getattr(optimizer, "build", None)
        if build is not None:
            build(value.trainable_variables)
    if home == "tf_keras" or _on_tensorflow():
        target = _of_tensorflow(value)
    else:
        target = _of_keras_variables(value)
    if not getattr(value, "built", True) and not any(at.role == "weight" for at in target.variables):
        raise Error(f"the model {value.name!r} has no variables yet: build() it, or call it once, before restoring into it", "invalid_argument")
    if home == "keras":
        _name_as_keras_does(target.variables, keras_keys(value))
    else:
        for at in target.variables:
            if at.path.startswith(("layer_with_weights-", "layer-", "optimizer/")):
                at.stable_name = at.path
    return target


def _name_as_keras_does(variables: list[Variable], keys: dict[str, Any]) -> None:
    """layers/dense_1/vars/0 in Keras' own files is layers/dense_1/kernel in others: the names of layers are numbered through the whole process."""
    by_id = {id(variable): key for key, variable in keys.items()}
    taken: dict[str, int] = {}
    for at in variables:
        at.key = by_id.get(id(at.of), "")
        folder, found, _ = at.key.rpartition("vars/")
        if found:
            at.stable_name = at.key if at.key.startswith("optimizer/") else folder + at.of.name
            taken[at.stable_name] = taken.get(at.stable_name, 0) + 1
    for at in variables:
        if taken.get(at.stable_name, 0) > 1:
            at.stable_name = at.key


def _on_tensorflow() -> bool:
    import keras

    return keras.backend.backend() == "tensorflow"


def _of_keras_variables(value: Any) -> Target:
    out = []
    seen = set()
    optimizer = getattr(value, "optimizer", None)
    weights = list(value.weights) if hasattr(value, "weights") else list(value.variables)
    others = [v for v in getattr(value, "variables", []) if id(v) not in {id(w) for w in weights}]
    for variable in weights + others:
        if id(variable) in seen:
            continue
        seen.add(id(variable))
        at = _assignable(variable)
        at.of_optimizer = _is_optimizer(value)
        at.role = _role(at.name, at.dtype, at.shape, at.of_optimizer)
        out.append(at)
    for variable in getattr(optimizer, "variables", []) if optimizer is not None else []:
        if id(variable) in seen:
            continue
        seen.add(id(variable))
        at = _assignable(variable)
        at.role, at.of_optimizer = _role(at.name, at.dtype, at.shape, True), True
        out.append(at)
    return Target(out, f"{type(value).__module__}.{type(value).__name__}", live=True)


def keras_keys(model: Any) -> dict[str, Any]:
    """The keys under which `model.save_weights("….weights.h5")` keeps the variables, and these; empty where this Keras does it another way."""
    try:
        from keras.src.saving import saving_lib

        class Recorder(saving_lib.NpzIOStore):  # what _save_state accepts; nothing of it is used
            def __init__(self) -> None:
                self.found: dict[str, dict[str, Any]] = {}

            def make(self, path: str, metadata: Any = None) -> dict[str, Any]:
                return self.found.setdefault(path, {})

        recorder = Recorder()
        optimizer = getattr(model, "optimizer", None)
        saving_lib._save_state(model, recorder, None, "", {id(optimizer)} if optimizer is not None else set())
    except Exception:
        return {}
    out = {}
    for path, entries in recorder.found.items():
        for name, value in entries.items():
            if hasattr(value, "assign"):
                out[f"{path}/vars/{name}" if path else f"vars/{name}"] = value
    for i, variable in enumerate(getattr(optimizer, "variables", []) if optimizer is not None else []):
        out[f"optimizer/vars/{i}"] = variable
    return out
