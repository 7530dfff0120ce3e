"""One op at a time, TensorFlow against ours: the same inputs and attributes through both, answers compared.

    check(case("AddV2", [x, y]))                      # type attributes follow from the inputs
    check(case("Cast", [x], DstT=tf.int32))
    check(case("ConcatV2", [[a, b], axis]))           # a list argument is a list
    check(case("Exp", [x], ulp=4))                    # float results may differ by so many units in the last place
    check(case("Foo", [x], rtol=1e-5, atol=1e-6))

Where TensorFlow refuses, ours must refuse too."""
import collections
import inspect

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.python.framework import op_def_registry, tensor_util

from tensorferry import _core

COUNTS = collections.Counter()  # cases by op, for the closing line

Case = collections.namedtuple("Case", "op inputs attrs ulp rtol atol errors_equal unordered ignored")


def case(op, inputs, ulp=0, rtol=0.0, atol=0.0, errors_equal=True, unordered=False, ignored=(), **attrs):
    """`ignored`: outputs that TensorFlow leaves to chance."""
    return Case(op, inputs, attrs, ulp, rtol, atol, errors_equal, unordered, ignored)


def as_tensor(value):
    return value if isinstance(value, tf.Tensor) else tf.constant(value)


def set_attr(proto, kind, value):
    """An attribute as its op declares it."""
    if kind.startswith("list("):
        inner = kind[5:-1]
        proto.list.SetInParent()
        for one in value:
            if inner == "type":
                proto.list.type.append(tf.as_dtype(one).as_datatype_enum)
            elif inner == "int":
                proto.list.i.append(int(one))
            elif inner == "float":
                proto.list.f.append(float(one))
            elif inner == "bool":
                proto.list.b.append(bool(one))
            elif inner == "string":
                proto.list.s.append(one.encode() if isinstance(one, str) else one)
            elif inner == "shape":
                proto.list.shape.append(tf.TensorShape(one).as_proto())
            else:
                raise NotImplementedError(kind)
    elif kind == "type":
        proto.type = tf.as_dtype(value).as_datatype_enum
    elif kind == "int":
        proto.i = int(value)
    elif kind == "float":
        proto.f = float(value)
    elif kind == "bool":
        proto.b = bool(value)
    elif kind == "string":
        proto.s = value.encode() if isinstance(value, str) else value
    elif kind == "shape":
        proto.shape.CopyFrom(tf.TensorShape(value).as_proto())
    elif kind == "tensor":
        proto.tensor.CopyFrom(tensor_util.make_tensor_proto(value))
    else:
        raise NotImplementedError(kind)


def graph_of(one, inputs):
    """(GraphDef, feed names, names of the outputs)"""
    op = op_def_registry.get(one.op)
    graph = graph_pb2.GraphDef()
    graph.versions.producer = tf.version.GRAPH_DEF_VERSION
    node = node_def_pb2.NodeDef(name="op", op=one.op)
    feeds, known = {}, dict(one.attrs)
    for arg, given in zip(op.input_arg, inputs):
        tensors = given if isinstance(given, list) else [given]
        for tensor in tensors:
            name = f"in{len(feeds)}"
            holder = graph.node.add(name=name, op="Placeholder")
            holder.attr["dtype"].type = tensor.dtype.as_datatype_enum
            node.input.append(name)
            feeds[name] = tensor
        if arg.type_attr and tensors:
            known.setdefault(arg.type_attr, tensors[0].dtype)
        if arg.number_attr:
            known.setdefault(arg.number_attr, len(tensors))
        if arg.type_list_attr:
            known.setdefault(arg.type_list_attr, [t.dtype for t in tensors])
    for attr in op.attr:
        if attr.name in known:
            set_attr(node.attr[attr.name], attr.type, known[attr.name])
    outputs = 0
    for arg in op.output_arg:
        if arg.number_attr:
            outputs += known.get(arg.number_attr, 1)
        elif arg.type_list_attr:
            outputs += len(known[arg.type_list_attr])
        else:
            outputs += 1
    graph.node.append(node)
    return graph, feeds, [f"op:{i}" for i in range(outputs)], known


def tensorflow_answer(one, inputs, known):
    names = [arg.name for arg in op_def_registry.get(one.op).input_arg]
    declared = {a.name for a in op_def_registry.get(one.op).attr}
    inferred = {a for arg in op_def_registry.get(one.op).input_arg for a in (arg.type_attr, arg.number_attr, arg.type_list_attr)}
    attrs = {k: v for k, v in known.items() if k in declared and k not in inferred}
    call = getattr(tf.raw_ops, one.op)
    # The function's names for arguments and attributes, where they are others than the op's.
    spoken = [p for p in inspect.signature(call).parameters if p != "name"]
    order = [arg.name for arg in op_def_registry.get(one.op).input_arg] + [
        a.name for a in op_def_registry.get(one.op).attr if a.name not in inferred]
    rename = dict(zip([n for n in order if n not in spoken], [p for p in spoken if p not in order]))
    out = call(**{rename.get(k, k): v for k, v in [*zip(names, inputs), *attrs.items()]})
    if isinstance(out, tf.Operation) or out is None:
        return []
    if isinstance(out, tuple) and hasattr(out, "_fields"):
        out = list(out)
    flat = []
    for item in out if isinstance(out, (list, tuple)) else [out]:
        flat.extend(item if isinstance(item, (list, tuple)) else [item])
    return flat


def bits_apart(a, b):
    """Units in the last place between floats of one dtype; NaNs are 0 apart, NaN and a number far."""
    width = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}[a.dtype.itemsize]
    low = np.iinfo(width).min
    x, y = a.view(width).astype(np.int64), b.view(width).astype(np.int64)
    x, y = np.where(x < 0, low - x, x), np.where(y < 0, low - y, y)
    with np.errstate(over="ignore"):
        gap = np.abs(x - y)
    af, bf = a.astype(np.float64), b.astype(np.float64)
    both = np.isnan(af) & np.isnan(bf)
    return np.where(both, 0, np.where(np.isnan(af) != np.isnan(bf), np.iinfo(np.int64).max, gap))


def compare(one, got, want, place):
    # NumPy's own strings lose zeros at their end.
    got, want = (np.asarray(x, object) if isinstance(x, (bytes, str)) else np.asarray(x) for x in (got, want))
    assert got.shape == want.shape, f"{place}: shape {got.shape}, TensorFlow {want.shape}"
    text = want.dtype == object or want.dtype.kind in "SU"
    assert text or got.dtype == want.dtype, f"{place}: dtype {got.dtype}, TensorFlow {want.dtype}"
    if text:
        assert got.tolist() == want.tolist(), f"{place}: {got!r}, TensorFlow {want!r}"
        return
    if want.dtype.kind in "c":
        compare(one, got.real.copy(), want.real.copy(), place + " real")
        compare(one, got.imag.copy(), want.imag.copy(), place + " imag")
        return
    floating = want.dtype.kind == "f" or want.dtype.name.startswith(("bfloat", "float8"))
    if not floating:
        assert np.array_equal(got, want), f"{place}: {got!r}, TensorFlow {want!r}"
        return
    got, want = np.ascontiguousarray(got), np.ascontiguousarray(want)
    if got.size == 0:
        return
    apart = bits_apart(got.reshape(-1), want.reshape(-1))
    a, b = got.reshape(-1).astype(np.float64), want.reshape(-1).astype(np.float64)
    with np.errstate(invalid="ignore"):
        near = np.abs(a - b) <= one.atol + one.rtol * np.abs(b)
    bad = (apart > one.ulp) & ~near
    if bad.any():
        i = int(np.argmax(bad))
        raise AssertionError(f"{place}: {int(bad.sum())} of {bad.size} differ, first [{i}] {a[i]!r}, TensorFlow {b[i]!r} ({apart[i]} ulp)")


def check(one):
    COUNTS[one.op] += 1
    inputs = [[as_tensor(x) for x in given] if isinstance(given, list) else as_tensor(given) for given in one.inputs]
    graph, feeds, fetches, known = graph_of(one, inputs)
    place = f"{one.op}({', '.join(f'{t.dtype.name}{list(t.shape)}' for t in feeds.values())}; {one.attrs})"
    wanted = refusal = None
    try:
        wanted = tensorflow_answer(one, inputs, known)
    except (tf.errors.OpError, ValueError, TypeError) as error:
        refusal = error
    runner = _core.GraphRunner(graph.SerializeToString())
    try:
        answer = runner.run({k: v.numpy() for k, v in feeds.items()}, fetches) if fetches else runner.run(
            {k: v.numpy() for k, v in feeds.items()}, [], ["op"])
    except Exception as error:  # noqa: BLE001
        assert refusal is not None, f"{place}: ours says {error}"
        return
    assert refusal is None or not one.errors_equal, f"{place}: TensorFlow refuses ({refusal}), ours answers {answer}"
    if refusal is not None:
        return
    for i, (got, want) in enumerate(zip(answer, wanted)):
        if i not in one.ignored:
            compare(one, got.numpy() if hasattr(got, "numpy") else got, want.numpy(), f"{place} output {i}")
    assert len(answer) == len(wanted), f"{place}: {len(answer)} outputs, TensorFlow {len(wanted)}"


def check_function(function, inputs, name=None, **tolerance):
    """Several ops at once: what passes between them may be variants and resources. `function` calls tf.raw_ops; its results are tensors."""
    one = case(name or getattr(function, "__name__", "function"), inputs, **tolerance)
    COUNTS[one.op] += 1
    inputs = [as_tensor(x) for x in inputs]
    traced = tf.function(function).get_concrete_function(*[tf.TensorSpec(x.shape, x.dtype, name=f"in{i}") for i, x in enumerate(inputs)])
    place = f"{one.op}({', '.join(f'{t.dtype.name}{list(t.shape)}' for t in inputs)})"
    wanted = refusal = None
    try:
        wanted = [x.numpy() for x in tf.nest.flatten(traced(*inputs))]
    except (tf.errors.OpError, ValueError, TypeError) as error:
        refusal = error
    runner = _core.GraphRunner(traced.graph.as_graph_def().SerializeToString())
    try:
        answer = runner.run({t.op.name: x.numpy() for t, x in zip(traced.inputs, inputs)}, [t.name for t in traced.outputs])
    except Exception as error:  # noqa: BLE001
        assert refusal is not None, f"{place}: ours says {error}"
        return
    assert refusal is None, f"{place}: TensorFlow refuses ({refusal}), ours answers {answer}"
    assert len(answer) == len(wanted), f"{place}: {len(answer)} results, TensorFlow {len(wanted)}"
    for i, (got, want) in enumerate(zip(answer, wanted)):
        compare(one, got.numpy() if hasattr(got, "numpy") else got, want, f"{place} result {i}")


def registered(op, attr="T"):
    """The dtypes that TensorFlow has CPU kernels for."""
    from tensorflow.python.framework import kernels
    out = set()
    for kernel in kernels.get_registered_kernels_for_op(op).kernel:
        if kernel.device_type == "CPU":
            for constraint in kernel.constraint:
                if constraint.name == attr:
                    out.update(tf.as_dtype(t) for t in constraint.allowed_values.list.type)
    return sorted(out, key=lambda d: d.as_datatype_enum)


def values(dtype, shape, seed=0, low=None, high=None, extremes=True):
    """Numbers of a dtype, the edges of it among them."""
    dtype = tf.as_dtype(dtype)
    rng = np.random.default_rng([seed, dtype.as_datatype_enum, *shape])
    size = int(np.prod(shape, dtype=np.int64))
    if dtype == tf.string:
        words = [b"", b"a", b"abc", b"\x00x", "\u00e9\u4e2d".encode(), b"long " * 9, b" pad ", b"12", b"-3.5"]
        flat = np.array([words[i] for i in rng.integers(0, len(words), size)], dtype=object)
        return tf.constant(flat.reshape(shape), dtype)
    kind = dtype.as_numpy_dtype
    if dtype == tf.bool:
        return tf.constant(rng.integers(0, 2, size).astype(bool).reshape(shape))
    if dtype.is_integer or dtype.is_quantized:
        info = np.iinfo(dtype.as_numpy_dtype) if not dtype.is_quantized else np.iinfo(tf.as_dtype(dtype).as_numpy_dtype[0] if False else np.int8)
        lo, hi = (max(info.min, -100) if low is None else low), (min(info.max, 100) if high is None else high)
        flat = rng.integers(lo, hi, size, endpoint=True, dtype=np.int64)
        if extremes and low is None and size >= 8:
            flat = flat.astype(kind)
            flat[:4] = [info.min, info.max, 0, 1]
        return tf.constant(flat.astype(kind).reshape(shape), dtype)
    lo, hi = (-4.0 if low is None else low), (4.0 if high is None else high)
    if dtype.is_complex:
        flat = rng.uniform(lo, hi, size) + 1j * rng.uniform(lo, hi, size)
    else:
        flat = rng.uniform(lo, hi, size)
        if extremes and low is None and size >= 8:
            flat[:8] = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-30]
    with np.errstate(over="ignore"):
        return tf.constant(flat.astype(kind).reshape(shape), dtype)
