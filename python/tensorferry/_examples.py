"""tf.train.Examples to tensors and back, without TensorFlow: tf.io.parse_example and its kin."""

from __future__ import annotations

from collections.abc import Mapping

from . import _core
from ._features import from_core, to_core
from ._map import TensorMap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any


def _map(entries: list[tuple[str, Any]]) -> TensorMap:
    out = TensorMap()
    out._tensors = dict(entries)
    return out


class ExampleParser:
    """Features compiled once, for many batches; parse_example() keeps those it has seen, so that one seldom needs it."""

    __slots__ = ("_core",)

    def __init__(self, features: Mapping[str, Any] | str):
        self._core = _core._ExampleParser(to_core(features))

    @property
    def features(self) -> dict[str, Any]:
        return {one[0]: from_core(one) for one in self._core.features()}

    def parse(self, serialized: Any, example_names: Iterable[Any] | None = None) -> TensorMap:
        return _map(self._core.parse(serialized, example_names))

    def parse_single(self, serialized: bytes, example_name: Any = None) -> TensorMap:
        return _map(self._core.parse_single(serialized, example_name))

    def __call__(self, serialized: Any) -> TensorMap:
        return self.parse_single(serialized) if isinstance(serialized, bytes) else self.parse(serialized)

    def __repr__(self) -> str:
        return f"ExampleParser({self.features!r})"


_parsers: dict[Any, Any] = {}
_MOST = 64


def _kept(key: Any, make: Any) -> Any:
    """The parser for these features, made once; those that cannot be hashed (defaults in arrays) are made anew."""
    try:
        found = _parsers.get(key)
    except TypeError:
        return make()
    if found is None:
        found = make()
        if len(_parsers) >= _MOST:
            _parsers.clear()
        _parsers[key] = found
    return found


def _frozen(value: Any) -> Any:
    """Something that can be hashed, and tells apart what tuples of one content do not: RowStarts("k") and RowLimits("k")."""
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, *map(_frozen, value))
    return (type(value), value) if isinstance(value, (bool, int, float)) else value


def _key(features: Any) -> Any:
    return tuple((name, _frozen(feature)) for name, feature in features.items()) if isinstance(features, Mapping) else features


def _example_parser(features: Any) -> ExampleParser:
    if isinstance(features, ExampleParser):
        return features
    if not features:
        raise ValueError("no features are asked for")
    return _kept((ExampleParser, _key(features)), lambda: ExampleParser(features))


def parse_example(serialized: Any, features: Mapping[str, Any] | str, example_names: Iterable[Any] | None = None) -> TensorMap:
    """A batch of serialized tf.train.Examples as tensors by name; see tf.io.parse_example.

    serialized: bytes in a list, an array or a string tensor; or bytes alone, which is parse_single_example.
    features: a dict of feature objects (ours or tf.io's) by name, or a schema's text: "label:int64, ids:int64{*}".
    example_names: names of the records, for error messages.
    """
    parser = _example_parser(features)
    if isinstance(serialized, bytes):
        return parser.parse_single(serialized, example_names)
    return parser.parse(serialized, example_names)


def parse_single_example(serialized: bytes, features: Mapping[str, Any] | str, example_names: Any = None) -> TensorMap:
    """One serialized tf.train.Example as tensors by name, without the axis of a batch."""
    return _example_parser(features).parse_single(_one(serialized), example_names)


def _one(serialized: Any) -> bytes:
    if isinstance(serialized, bytes):
        return serialized
    if isinstance(serialized, (bytearray, memoryview)):
        return bytes(serialized)
    value = serialized.numpy() if hasattr(serialized, "numpy") else serialized
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, bytes):
        raise TypeError(f"a record is bytes, not {type(serialized).__name__}")
    return value


def _sequence_parser(context: Any, lists: Any) -> Any:
    if not context and not lists:
        raise ValueError("neither context_features nor sequence_features are asked for")
    return _kept(("sequence", _key(context), _key(lists)), lambda: _core._SequenceParser(to_core(context), to_core(lists)))


def parse_sequence_example(
    serialized: Any,
    context_features: Mapping[str, Any] | str | None = None,
    sequence_features: Mapping[str, Any] | str | None = None,
    example_names: Iterable[Any] | None = None,
) -> tuple[TensorMap, TensorMap, TensorMap]:
    """A batch of serialized SequenceExamples: (context, feature lists, lengths of the dense feature lists)."""
    parser = _sequence_parser(context_features, sequence_features)
    single = isinstance(serialized, bytes)
    names = [example_names] if single and example_names is not None else example_names
    return tuple(_map(entries) for entries in parser.parse(serialized, names, single))  # type: ignore[return-value]


def parse_single_sequence_example(
    serialized: bytes,
    context_features: Mapping[str, Any] | str | None = None,
    sequence_features: Mapping[str, Any] | str | None = None,
    example_name: Any = None,
) -> tuple[TensorMap, TensorMap]:
    """One serialized SequenceExample: (context, feature lists), without the axis of a batch."""
    return parse_sequence_example(_one(serialized), context_features, sequence_features, example_name)[:2]


def parse_example_list(
    serialized: Any,
    context_features: Mapping[str, Any] | str | None = None,
    example_features: Mapping[str, Any] | str | None = None,
    list_size: int | None = None,
    example_names: Iterable[Any] | None = None,
) -> tuple[TensorMap, TensorMap, Any]:
    """A batch of serialized tensorflow.serving.ExampleListWithContext: (context, examples, sizes).

    Without list_size the examples have a ragged axis (COO for sparse features): [batch, (examples), ...]. With it each list is cut
    to that many, or filled up with Examples that hold nothing, as TF-Ranking does: [batch, list_size, ...]. sizes: how many
    examples each record has.
    """
    if not context_features and not example_features:
        raise ValueError("neither context_features nor example_features are asked for")
    if list_size is not None and list_size < 0:
        raise ValueError(f"a list_size of {list_size}")
    size = -1 if list_size is None else list_size
    key = ("lists", _key(context_features), _key(example_features), size)
    parser = _kept(key, lambda: _core._ExampleListParser(to_core(context_features), to_core(example_features), size))
    context, examples, sizes = parser.parse(serialized, example_names)
    return _map(context), _map(examples), sizes


class InferredFeatures:
    """What records hold, by their own bytes.

    content: "Example", "SequenceExample" or "ExampleListWithContext".
    context: features of Examples, or of the context, by name.
    lists: feature lists of SequenceExamples.
    examples: features of the examples in a context.
    facts: for each name (records, fewest values, most values, values in all, most steps).
    """

    def __init__(self, content: str, records: int, features: list[Any], examples: list[Any]):
        self.content, self.records = content, records
        self.context = {f[0][0]: from_core(f[0]) for f in features if not f[1]}
        self.lists = {f[0][0]: from_core(f[0]) for f in features if f[1]}
        self.examples = {f[0][0]: from_core(f[0]) for f in examples}
        self.facts = {f[0][0]: tuple(f[2:7]) for f in features + examples}
        self.conflicts = {f[0][0]: f[7] for f in features + examples if f[7]}

    @property
    def features(self) -> dict[str, Any]:
        """What parse_example takes. An error for records that are no plain Examples."""
        if self.content != "Example":
            raise ValueError(f"the records are {self.content}s, not Examples: see .context and .lists, and parse_sequence_example")
        return self.context

    def __repr__(self) -> str:
        parts = [f"{self.records} {self.content}s", *(f"{n}={v!r}" for n in ("context", "lists", "examples") if (v := getattr(self, n)))]
        return f"InferredFeatures({', '.join(parts)})"


def infer_features(serialized: Any) -> InferredFeatures:
    """The features that read these records. SequenceExamples are told by their content: they parse as Examples too, and lose their lists."""
    return InferredFeatures(*_core._infer_features(serialized))


def serialize_examples(tensors: Mapping[str, Any], *, marks: bool = False) -> list[bytes]:
    """A serialized tf.train.Example for each row of the tensors, which all have as many: the way back from parse_example.

    Dense rows are lists of their values, ragged rows lists of their own length, sparse rows NAME/indices, NAME/values and
    NAME/dense_shape. bool and other integers become int64, other floats float32, where every value fits. Ragged tensors
    of two ragged axes are feature lists, and their records SequenceExamples. marks: features NAME/shape and NAME/dtype beside
    what would read back as something else.
    """
    return _core._serialize_examples(_entries(tensors), False, marks)


def serialize_example(tensors: Mapping[str, Any], *, marks: bool = False) -> bytes:
    """One serialized tf.train.Example of the whole map."""
    return _core._serialize_examples(_entries(tensors), True, marks)


def _entries(tensors: Mapping[str, Any]) -> list[tuple[str, Any, None]]:
    return [(name, tensor, None) for name, tensor in TensorMap(tensors).items()]
