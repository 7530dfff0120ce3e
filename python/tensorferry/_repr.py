"""What a person sees of a tensor: what it is on the first line, then its values, long ones cut in the middle."""

from __future__ import annotations

from itertools import chain

_ENTRIES = 10  # shown in full up to here; else the first and the last half


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _value(value: object) -> str:
    if isinstance(value, bytes):
        return repr(value if len(value) <= 40 else value[:37] + b"...")
    return str(value)


def _text(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:117] + "...")


def _shape(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join(str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"


def _body(x) -> str:
    import numpy as np

    from ._errors import Error

    try:
        array = x.to_numpy()
    except Error:  # bfloat16 without ml_dtypes
        array = x.view("uint16" if x.dtype.itemsize == 2 else "uint8").to_numpy()
        return f"raw bits {np.array2string(array, threshold=100, edgeitems=3)}"
    return np.array2string(array, threshold=100, edgeitems=3, separator=", ")


def dense(x) -> str:
    return f"DenseTensor({x.dtype}, shape={_shape(x.shape)})\n{_body(x)}"


def _strings_or_numbers(values):
    return values.tolist() if values.dtype == object else list(values)


def sparse(x) -> str:
    facts = [str(x.dtype), f"shape={_shape(x.shape)}", f"nnz={x.nnz}"]
    if x.layout != "coo":
        facts.append(f"indices={x.indices.dtype}")
    facts.append("sorted" if x.sorted else "unsorted")
    if not x.unique:
        facts.append("duplicates possible")
    lines = [f"SparseTensor({x.layout}, {', '.join(facts)})"]
    from ._errors import Error
    from ._index import coordinates_between

    count = x.nnz
    half = _ENTRIES // 2
    pieces = [(0, count)] if count <= _ENTRIES else [(0, half), (count - half, count)]
    shown = []
    for begin, end in pieces:
        coordinates = coordinates_between(x, begin, end)
        part = x._values[begin:end] if x.dtype == "string" else None
        if part is None:
            try:
                part = x.values[begin:end]
            except Error:
                part = x._values.view("uint16" if x.dtype.itemsize == 2 else "uint8").to_numpy()[begin:end]
        shown.append([(_shape(tuple(int(n) for n in at)), _value(value)) for at, value in zip(coordinates, part)])
    width = max((len(at) for at, _ in chain(*shown)), default=0)
    for number, rows in enumerate(shown):
        if number:
            lines.append(f"  … {count - _ENTRIES:,} more …")
        lines += [f"  {at:<{width}}  {value}" for at, value in rows]
    return "\n".join(lines)


def ragged(x) -> str:
    rows = len(x)
    lines = [f"RaggedTensor({x.dtype}, shape={_shape(x.shape)}, values={x.values.shape[0] if x.values.ndim else 0})"]
    half = _ENTRIES // 2
    numbers = list(range(rows)) if rows <= _ENTRIES else list(range(half)) + [None] + list(range(rows - half, rows))

    def cut(value) -> str:
        text = repr(value.tolist())
        return text if len(text) <= 76 else text[:72] + " ...]"

    for i in numbers:
        lines.append(f"  … {_count(rows - _ENTRIES, 'more row')} …" if i is None else f"  {cut(x[i])}")
    return "\n".join(lines)


def summary(x) -> str:
    """One line: kind, dtype, shape, entries. x: a tensor, or these four facts of one that is not read yet."""
    if isinstance(x, tuple):
        kind, dtype, shape, nnz = x
    else:
        kind, dtype, shape, nnz = getattr(x, "layout", None), x.dtype, x.shape, getattr(x, "nnz", None)
        kind = kind or ("dense" if type(x).__name__ == "DenseTensor" else "ragged")
    count = f"  nnz={nnz:,}" if kind in ("coo", "csr", "csc") else ""
    return f"{kind:<6} {str(dtype):<10} {_shape(shape)}{count}"


def tensor_map(tensors) -> str:
    head = f"TensorMap({_count(len(tensors), 'tensor')}{', ' + tensors.format if tensors.format else ''})"
    width = min(40, max((len(name or "(root)") for name in tensors), default=0))
    names = list(tensors)
    shown = names if len(names) <= 40 else names[:20] + [None] + names[-20:]
    lines = [head]
    for name in shown:
        lines.append(f"  … {_count(len(names) - 40, 'more tensor')} …" if name is None else f"  {name or '(root)':<{width}}  {summary(tensors._glance(name))}")
    lines += [f"  metadata {key} = {_text(text)}" for key, text in tensors.metadata.items()]
    return "\n".join(lines)


def inspection(found) -> str:
    lines = [f"{found.path or '<bytes>'}: {found.format}, {_count(len(found.tensors), 'tensor')}"]
    width = min(40, max((len(t.name or "(root)") for t in found.tensors), default=0))
    for t in found.tensors:
        nnz = "" if t.nnz is None else f"  nnz={t.nnz:,}"
        where = "" if t.offset is None else f"  at byte {t.offset}"
        lines.append(f"  {t.name or '(root)':<{width}}  {t.kind:<6} {str(t.dtype):<10} {_shape(t.shape)}{nnz}  {t.bytes:,} bytes{where}")
    lines += [f"  metadata {key} = {_text(text)}" for key, text in found.metadata.items()]
    return "\n".join(lines)


def checkpoint(found) -> str:
    infos = list(found.infos.values())
    by_role = {}
    for info in infos:
        by_role[info.role] = by_role.get(info.role, 0) + 1
    roles = ", ".join(_count(by_role[role], role) for role in ("weight", "slot", "counter") if role in by_role)
    lines = [f"Checkpoint({found.path!r}, {found.format}, {_count(len(infos), 'tensor')}{': ' + roles if roles else ''})"]
    shown = infos if len(infos) <= 40 else infos[:20] + [None] + infos[-20:]
    names = [None if info is None else (info.path or info.key or "(root)") for info in shown]
    width = min(60, max((len(name) for name in names if name), default=0))
    for name, info in zip(names, shown):
        if info is None:
            lines.append(f"  … {_count(len(infos) - 40, 'more tensor')} …")
        else:
            lines.append(f"  {name:<{width}}  {info.role:<7} {summary((info.kind, info.dtype, info.shape, info.nnz))}")
    return "\n".join(lines)


_DEPTH, _CHILDREN = 3, 20  # of a tree of objects


def object_node(root) -> str:
    def words(node) -> str:
        info = node.info
        if info is not None:
            return f"{summary((info.kind, info.dtype, info.shape, info.nnz))}  {info.name}"
        count = len(node)
        return ("optimizer, " if node.is_optimizer else "") + ("1 child" if count == 1 else f"{count or 'no'} children")

    lines = [f"{root.path or 'root'}: {words(root)}"]
    seen = {root.id}

    def walk(node, depth: int, indent: str) -> None:
        names = list(node.children.items())
        for name, child in names[:_CHILDREN]:
            again = child.id in seen
            seen.add(child.id)
            lines.append(f"{indent}{name}: {'→ ' + (child.path or 'root') if again and len(child) else words(child)}")
            if not again and depth < _DEPTH:
                walk(child, depth + 1, indent + "  ")
        if len(names) > _CHILDREN:
            lines.append(f"{indent}… {len(names) - _CHILDREN:,} more …")

    walk(root, 1, "  ")
    return "\n".join(lines)
