"""Saving models: checkpoints that TensorFlow restores, and any other format."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from ._core import DenseTensor
from ._errors import Error
from ._files import _format_of, save
from ._map import TensorMap
from ._nested import flatten
from ._targets import Target, _escaped, _is_optimizer, _slot, as_target, is_tracked, kept_tensors

_VALUE = "VARIABLE_VALUE"
_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def save_checkpoint(
    path: str | os.PathLike[str],
    tensors: Any,
    format: str | None = None,
    *,
    root: str | None = "model",
    slots: bool = True,
    extra: Mapping[str, Any] | None = None,
    **options: Any,
) -> None:
    """`extra`: tensors beside those of a model, which no object has."""
    format = format or _format_of(os.fspath(path)) or "ckpt"
    if is_tracked(tensors):
        target = _with_root(tensors, root) if format == "ckpt" else as_target(tensors, slots=slots)
    elif not isinstance(tensors, Mapping):
        target = as_target(tensors, slots=slots)
    elif any(map(is_tracked, tensors.values())):
        if format != "ckpt":
            raise Error(f"several models go into one checkpoint of the format ckpt, not {format}; save each by itself", "unsupported")
        target = _with_root(dict(tensors), None)
    else:
        save(path, {**flatten(tensors), **extra} if extra else tensors, format, **options)
        return
    write_target(path, target, format, options, {}, extra)


def _root_of(value: Any, root: str | None) -> Any:
    import tensorflow as tf

    if isinstance(value, dict):
        value = tf.train.Checkpoint(**value)
    elif root is not None and not isinstance(value, tf.train.Checkpoint):
        value = tf.train.Checkpoint(**{root: value})
    if isinstance(value, tf.train.Checkpoint):
        value.save_counter  # made when it is first asked for
    return value


def _with_root(value: Any, root: str | None) -> Target:
    value = _root_of(value, root)
    return Target(as_target(value).variables, type(value).__name__, live=True, root=value)


def rooted(target: Target, root: str | None) -> Target:
    """The same variables, below a root of which the target is a child."""
    if target.root is None:
        return target
    return Target(target.variables, target.words, live=target.live, root=_root_of(target.root, root))


def write_target(
    path: str | os.PathLike[str],
    target: Target,
    format: str | None,
    options: Mapping[str, Any],
    values: Mapping[int, Any],
    extra: Mapping[str, Any] | None = None,
) -> None:
    """`values`: by position, in place of what the variables hold."""
    format = format or _format_of(os.fspath(path)) or "ckpt"
    if format == "ckpt" and target.root is not None:
        out = _object_based(target, values)
        out.update(extra or {})
        save(path, out, format, metadata=False, **options)
        return
    out = TensorMap()
    if target.checkpoint is not None:
        out.metadata = dict(target.checkpoint.metadata)
    by_key = {name: (i, at) for i, (name, at) in enumerate(zip(_names(target, format), target.variables))}
    keys = target.checkpoint if target.checkpoint is not None else list(by_key)
    for key in keys:
        i, at = by_key.get(key, (-1, None))
        if i in values:
            out[key] = values[i]
        elif at is None:  # the object graph, and texts about objects
            out[key] = target.checkpoint[key]
        elif at.get is not None:
            out[key] = at.get()
    out.update(extra or {})
    save(path, out, format, **options)


def _names(target: Target, format: str) -> list[str]:
    """A file's own keys; of a live model the variables' names, but for HDF5, where Keras looks for keys of its own."""
    if not target.live or format in ("h5", "keras"):
        return [at.saved_as for at in target.variables]
    names = [at.stable_name or at.name or at.saved_as for at in target.variables]
    count = Counter(names)
    return [name if count[name] == 1 else at.path or at.key or name for name, at in zip(names, target.variables)]


# ---- Object-based checkpoints


def _object_based(target: Target, values: Mapping[int, Any]) -> TensorMap:
    """Keys and object graph as tf.train.Checkpoint writes them."""
    import tensorflow as tf
    from tensorflow.core.protobuf import trackable_object_graph_pb2

    view = tf.train.TrackableView(target.root)
    positions = {(id(at.of), at.part): i for i, at in enumerate(target.variables)}
    nodes: list[Any] = [target.root]
    paths = [""]
    ids = {id(target.root): 0}
    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    out = TensorMap()

    def keep(entry: Any, variable: Any, path: str) -> None:
        key = f"{path}/.ATTRIBUTES/{_VALUE}" if path else f".ATTRIBUTES/{_VALUE}"
        position = positions.get((id(variable), ""))
        at = target.variables[position] if position is not None else as_target(variable).variables[0]
        name = at.name.partition(":")[0]
        entry.attributes.add(name=_VALUE, full_name=name, checkpoint_key=key)
        entry.has_checkpoint_values.value = True
        out[key] = values[position] if position in values else at.get()

    at = 0
    while at < len(nodes):
        node, path = nodes[at], paths[at]
        entry = graph.nodes.add()
        for name, child in view.children(node).items():
            if id(child) not in ids:
                ids[id(child)] = len(nodes)
                nodes.append(child)
                paths.append(f"{path}/{_escaped(name)}" if path else _escaped(name))
            entry.children.add(node_id=ids[id(child)], local_name=name)
        if hasattr(node, "assign") and hasattr(node, "shape"):
            keep(entry, node, path)
        elif (kept := kept_tensors(node)) is not None:
            prefix, tensors = kept
            base = f"{path}/.ATTRIBUTES/{prefix}"
            for name in [prefix] if prefix else tensors:
                entry.attributes.add(name=name, checkpoint_key=base if prefix else base + _escaped(name))
            entry.has_checkpoint_values.value = True
            for name, tensor in tensors.items():
                value = values.get(positions.get((id(node), name), -1))
                out[base + (name if prefix else _escaped(name))] = tensor if value is None else value
        at += 1
    for optimizer_id in range(len(nodes)):
        optimizer = nodes[optimizer_id]
        if not _is_optimizer(optimizer) or not hasattr(optimizer, "get_slot_names"):
            continue
        for slot in optimizer.get_slot_names():
            for variable_id in range(len(paths)):
                variable = nodes[variable_id]
                found = _slot(optimizer, variable, slot) if hasattr(variable, "assign") else None
                if found is None or id(found) in ids:
                    continue
                ids[id(found)] = len(nodes)
                nodes.append(found)
                new = graph.nodes.add()
                keep(new, found, f"{paths[variable_id]}/.OPTIMIZER_SLOT/{paths[optimizer_id]}/{_escaped(slot)}")
                graph.nodes[optimizer_id].slot_variables.add(original_variable_node_id=variable_id, slot_name=slot, slot_variable_node_id=ids[id(found)])
    out[_GRAPH] = DenseTensor(graph.SerializeToString(deterministic=True))
    return out

