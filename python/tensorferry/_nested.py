"""Nested dicts, lists, tuples and dataclasses of tensors as one TensorMap with paths for names, and back.

    ferry.flatten({"tokens": [[5, 7], [9]], "beams": [{"score": s0}, {"score": s1}]})
    # tokens, beams/0/score, beams/1/score

A name is the path of keys, with "/" between them and "~1" for a "/" in a key ("~0" for "~"), as in JSON Pointer. What the names
cannot say (list or tuple or dict, None, empty containers, plain Python values) is kept as JSON under one key of the map's metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from ._convert import _OURS, as_tensor
from ._core import RaggedTensor, SparseTensor
from ._errors import Error, make_error
from ._map import STRUCTURE, TensorMap

# A structure in JSON is one of
#   "tensor", "none", or a single value kept as a tensor of rank 0: "bool" "int" "float" "complex" "str" "bytes", "numpy" for NumPy's own
#   {"list of": "int"}            a list (of lists, …) of plain values, kept as one dense or ragged tensor
#   {"list": [structure, …]}      {"tuple": […]}
#   {"dict": [[key, structure], …]}    a key is a string or a whole number
#   {"namedtuple": ["Name", [[field, structure], …]]}    {"dataclass": [the same]}
_PLAIN = (bool, int, float, complex, str, bytes)
_FACTS = ("name", "device", "framework", "dtype", "shape")


def _segment(key: str | int) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")


def _unescaped(segment: str) -> str:
    return segment.replace("~1", "/").replace("~0", "~")


def _join(path: str | None, key: str | int) -> str:
    return _segment(key) if path is None else f"{path}/{_segment(key)}"


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) and not hasattr(value, "tocsr")  # SciPy's DOK is a dict and a tensor


def _is_namedtuple(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _is_dataclass(value: Any) -> bool:
    return hasattr(type(value), "__dataclass_fields__") and not hasattr(value, "__array__")


def _is_numpy_scalar(value: Any) -> bool:
    return type(value).__module__ == "numpy" and not hasattr(value, "__len__")  # arrays and texts have a length


def _is_tensor_of_tensorflow(value: Any) -> bool:
    """A tf.compat.v1.SparseTensorValue is a named tuple, and yet a tensor."""
    return _is_namedtuple(value) and value._fields == ("indices", "values", "dense_shape")


def plain_kind(values: Any) -> str | None:
    """The kind of Python value that a list (of lists, …) holds all through, or None: it is a structure then."""
    level = values
    while True:
        kinds = set(map(type, level))
        if kinds != {list}:
            break
        level = [item for row in level for item in row]
    if not level:
        return None
    if kinds == {int}:
        low, high = min(level), max(level)
        return "int" if -(2**63) <= low and high < (2**63 if low < 0 else 2**64) else None
    if kinds == {int, float}:
        return "float" if all(abs(n) <= 2**53 for n in level if type(n) is int) else None
    if len(kinds) != 1:
        return None
    kind = kinds.pop()
    if kind in _PLAIN:
        return kind.__name__
    return "numpy" if _is_numpy_scalar(level[0]) else None


def is_structure(value: Any) -> bool:
    """Whether a value is more than one tensor."""
    if _is_mapping(value) or _is_dataclass(value):
        return True
    if not isinstance(value, (list, tuple)) or _is_tensor_of_tensorflow(value):
        return False
    return _is_namedtuple(value) or (len(value) > 0 and plain_kind(list(value)) is None and not _is_grid(value))


def _is_grid(value: Any) -> bool:
    """Whether nested lists and tuples hold numbers alone, or texts alone, of which NumPy makes one array."""
    kinds: set[bool] = set()  # whether it is text

    def look(item: Any) -> bool:
        if isinstance(item, (list, tuple)):
            return all(map(look, item))
        kinds.add(isinstance(item, (str, bytes)))
        return isinstance(item, _PLAIN) or type(item).__module__ == "numpy" and getattr(item, "shape", None) == ()

    return look(value) and len(kinds) < 2


def facts_of(value: Any, path: str, wanted: Iterable[str]) -> dict[str, str]:
    """What a framework's tensor says of itself, as text."""
    out = {}
    for fact in wanted:
        if fact == "name":
            found = name_of(value)
            found = None if found in (None, path, path.rpartition("/")[2]) else found
        elif fact == "framework":
            from ._convert import _home

            found = _home(value) or None
        elif fact == "device":
            holder = value if hasattr(value, "device") else getattr(value, "values", None)
            found = getattr(holder, "device", None)
            found = None if found is None or callable(found) else str(found)
        else:
            found = getattr(value, fact, None)
            found = None if found is None else getattr(found, "name", None) or str(tuple(found) if fact == "shape" else found)
        if found:
            out[fact] = found
    return out


def name_of(value: Any) -> str | None:
    """The name that an object carries: of a variable (its path in Keras), a series, a data array."""
    if isinstance(value, (*_OURS, *_PLAIN, list, tuple)):
        return None
    try:
        found = getattr(value, "path", None) or getattr(value, "name", None)
    except Exception:  # an eager tensor says so by raising
        return None
    return found.removesuffix(":0") if isinstance(found, str) and found else None


def _host(value: Any) -> Any:
    """A torch tensor on another device, on this one: to serialize it is to copy it."""
    device = getattr(value, "device", None)
    return value.cpu() if hasattr(value, "layout") and hasattr(device, "type") and device.type not in ("cpu", "meta") else value


class _Flattener:
    def __init__(self, facts: Iterable[str]):
        self.out = TensorMap()
        self.facts = tuple(facts)

    def leaf(self, value: Any, path: str | None, kind: str = "tensor") -> str:
        name = path or ""
        if name in self.out:
            raise Error(f"two tensors would be called {name!r}: the keys 1 and '1' are one name")
        try:
            self.out[name] = _of_parts(value) if _is_mapping(value) else as_tensor(_host(value))
        except (TypeError, ValueError) as error:
            if not name:
                raise
            if isinstance(error, Error):
                raise make_error(error.code, f"{name}: {error.message}", error.offset, error.path) from error
            raise type(error)(f"{name}: {error}") from error
        texts = facts_of(value, name, self.facts) if kind in ("tensor", "numpy") else None
        if texts:
            self.out.tensor_metadata[name] = texts
        return kind

    def pairs(self, items: Iterable[tuple[Any, Any]], path: str | None) -> list[list[Any]]:
        out = []
        for key, item in items:
            if not isinstance(key, (str, int)) or isinstance(key, bool):
                raise TypeError(f"a key in a structure is a str or an int, not {key!r}")
            out.append([key, self.walk(item, _join(path, key))])
        return out

    def walk(self, value: Any, path: str | None) -> Any:
        if value is None:
            return "none"
        if isinstance(value, TensorMap):
            return {"dict": self.pairs(value.items(), path)}
        if _is_mapping(value):
            if path is not None and _spells_tensor(value):
                return self.leaf(value, path)
            return {"dict": self.pairs(value.items(), path)}
        if _is_dataclass(value):
            import dataclasses

            fields = [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value)]
            return {"dataclass": [type(value).__name__, self.pairs(fields, path)]}
        if isinstance(value, (list, tuple)) and not _is_tensor_of_tensorflow(value):
            if _is_namedtuple(value):
                return {"namedtuple": [type(value).__name__, self.pairs(zip(value._fields, value), path)]}
            if isinstance(value, list):
                kind = plain_kind(value)
                made = None if kind is None else _of_list(value)
                if made is not None:
                    return {"list of": self.leaf(made, path, kind)}
            return {"list" if isinstance(value, list) else "tuple": [self.walk(item, _join(path, i)) for i, item in enumerate(value)]}
        if type(value) in _PLAIN:
            return self.leaf(value, path, type(value).__name__)
        return self.leaf(value, path, "numpy" if _is_numpy_scalar(value) else "tensor")


def _of_list(values: list[Any]) -> Any:
    """One tensor of a list of plain values: dense where every row is as long, else ragged; None where lists stand beside values."""
    try:
        return as_tensor(values)
    except ValueError:
        try:
            return RaggedTensor.from_lists(values)
        except TypeError:
            return None


def _spells_tensor(value: Mapping[Any, Any]) -> bool:
    """Whether a dict holds just the parts of a sparse or ragged tensor, as JSON spells one."""
    spelt = set(value) in ({"indices", "values", "dense_shape"}, {"indptr", "indices", "values", "dense_shape"}, {"values", "row_splits"})
    return spelt and not any(map(_is_mapping, value.values()))


def _of_parts(value: Mapping[str, Any]) -> Any:
    if "row_splits" in value:
        return RaggedTensor(value["values"], value["row_splits"])
    if "indptr" in value:
        return SparseTensor.csr(value["indptr"], value["indices"], value["values"], value["dense_shape"])
    return SparseTensor(value["indices"], value["values"], value["dense_shape"])


def wanted_facts(metadata: Any) -> tuple[str, ...]:
    if metadata is True:
        return ("name",)
    if metadata is False:
        return ()
    metadata = {metadata} if isinstance(metadata, str) else set(metadata)
    odd = sorted(metadata.difference(_FACTS))
    if odd:
        raise ValueError(f"there is no fact called {odd[0]!r}; metadata= takes True, False, or some of {', '.join(_FACTS)}")
    return tuple(fact for fact in _FACTS if fact == "name" or fact in metadata)


def flatten(structure: Any, *, metadata: Any = True) -> TensorMap:
    """A TensorMap of the tensors in nested dicts, lists, tuples, named tuples and dataclasses, named by their paths: "beams/0/score".

    A mapping of tensors alone keeps its names as they are. Lists of numbers or strings are one tensor, ragged where rows differ;
    a dict of exactly indices, values and dense_shape (or values and row_splits) is the sparse (ragged) tensor it spells.
    None, empty containers and what Python values were are kept in the metadata; unflatten(map) or map.nested() gives it all back.

    metadata: True keeps the name that a variable or series has; a set of facts ("device", "framework", "dtype", "shape") keeps these
    too, as text for each tensor; False keeps nothing but the tensors.
    """
    if isinstance(structure, TensorMap):
        return structure
    flattener = _Flattener(wanted_facts(metadata))
    if _is_mapping(structure) and all(isinstance(key, str) for key in structure):
        if not any(value is None or is_structure(value) or isinstance(value, (list, tuple)) and not value for value in structure.values()):
            for name, value in structure.items():
                made = _of_list(value) if isinstance(value, list) and plain_kind(value) is not None else None
                flattener.leaf(value if made is None else made, name)
            return flattener.out
    found = flattener.walk(structure, None)
    if metadata is not False and not _told_by_names(found):
        import json

        flattener.out.metadata[STRUCTURE] = json.dumps(found, separators=(",", ":"), ensure_ascii=False)
    return flattener.out


def _told_by_names(found: Any) -> bool:
    if isinstance(found, str):
        return found == "tensor"
    pairs = found.get("dict")
    return bool(pairs) and all(isinstance(key, str) and _told_by_names(inside) for key, inside in pairs)


def to_write(tensors: Any, metadata: Any) -> TensorMap:
    """What save and dumps write: a structure flattened, or one tensor under no name but its own."""
    if is_structure(tensors):
        out = flatten(tensors, metadata=metadata)
        if metadata is False and (out.metadata or out.tensor_metadata):
            out = out.copy()
            out.metadata, out.tensor_metadata = {}, {}
        return out
    flattener = _Flattener(wanted_facts(metadata))
    name = (name_of(tensors) if metadata is not False else None) or ""
    made = _of_list(tensors) if isinstance(tensors, list) and plain_kind(tensors) is not None else None
    flattener.leaf(tensors if made is None else made, name)
    if flattener.out.tensor_metadata and not name:
        flattener.out.metadata[STRUCTURE] = '"tensor"'  # so that reading gives a map, and the facts with it
    return flattener.out


# ---- Back


class _Rebuilder:
    def __init__(self, tensors: TensorMap, types: Iterable[type]):
        self.tensors = tensors
        self.types = {kind.__name__: kind for kind in types}
        self.used: set[str] = set()

    def leaf(self, path: str | None) -> Any:
        name = path or ""
        if name not in self.tensors:
            above = name
            while "/" in above:
                above = above.rpartition("/")[0]
                if above in self.tensors:
                    raise Error(f"{name!r} was read as a part of {above!r}; load with parts=False to have it by itself")
            raise Error(f"the structure has a tensor {name!r}, the map has none of that name; del metadata[{STRUCTURE!r}] to go by names alone")
        self.used.add(name)
        return self.tensors[name]

    def record(self, kind: str, name: str, values: dict[str, Any]) -> Any:
        if name in self.types:
            return self.types[name](**values)
        from collections import namedtuple

        return namedtuple(name, list(values))(*values.values())

    def build(self, node: Any, path: str | None) -> Any:
        if node == "none":
            return None
        if node == "tensor":
            return self.leaf(path)
        if isinstance(node, str):
            return _plain(self.leaf(path), node)
        ((kind, inside),) = node.items()
        if kind == "list of":
            return _plain(self.leaf(path), inside)
        if kind == "list":
            return [self.build(item, _join(path, i)) for i, item in enumerate(inside)]
        if kind == "tuple":
            return tuple(self.build(item, _join(path, i)) for i, item in enumerate(inside))
        if kind == "dict":
            return {key: self.build(item, _join(path, key)) for key, item in inside}
        if kind in ("namedtuple", "dataclass"):
            name, fields = inside
            return self.record(kind, name, {key: self.build(item, _join(path, key)) for key, item in fields})
        raise KeyError(kind)


def _plain(tensor: Any, kind: str) -> Any:
    """The value, list or lists that a tensor was made of."""
    if kind == "numpy":
        return _numpy_scalars(tensor if isinstance(tensor, RaggedTensor) else tensor.to_numpy())
    if kind == "str":
        return _mapped(bytes.decode, tensor.tolist())
    if kind == "float":
        return _mapped(float, tensor.tolist())
    if kind in ("bool", "int", "complex", "bytes"):
        return tensor.tolist()
    raise KeyError(kind)


def _mapped(function: Any, value: Any) -> Any:
    return [_mapped(function, item) for item in value] if isinstance(value, list) else function(value)


def _numpy_scalars(value: Any) -> Any:
    if isinstance(value, RaggedTensor) or value.ndim:
        return [_numpy_scalars(value[i]) for i in range(len(value))]
    return value[()]


def _by_names(tensors: TensorMap) -> Any:
    if list(tensors) == [""]:
        return tensors[""]
    out: dict[str, Any] = {}
    for name in tensors:
        *folders, last = map(_unescaped, name.split("/"))
        at = out
        for folder in folders:
            at = at.setdefault(folder, {})
            if not isinstance(at, dict):
                raise Error(f"{name!r} lies in what is itself a tensor; the names make no tree")
        if last in at:
            raise Error(f"{name!r} is a tensor and holds others; the names make no tree")
        at[last] = tensors[name]
    return out


def unflatten(tensors: Mapping[str, Any], types: Iterable[type] = ()) -> Any:
    """The structure that flatten() (or save, dumps) was given; of a map that was not made so, nested dicts by the "/" in its names.

    types: the named tuples and dataclasses to make; others come back as named tuples of the same name and fields.
    """
    tensors = tensors if isinstance(tensors, TensorMap) else TensorMap(tensors)
    text = tensors.metadata.get(STRUCTURE)
    if text is None:
        return _by_names(tensors)
    import json

    rebuilder = _Rebuilder(tensors, types)
    try:
        out = rebuilder.build(json.loads(text), None)
    except Error:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Error(f"metadata {STRUCTURE!r} describes no structure of these tensors: {error}", "data_loss") from error
    beyond = [name for name in tensors if name not in rebuilder.used]
    if beyond:
        raise Error(f"{beyond[0]!r} is in the map and not in its structure; del metadata[{STRUCTURE!r}] to go by names alone")
    return out
