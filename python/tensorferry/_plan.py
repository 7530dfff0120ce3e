"""Restore plans: which variable of a target gets which tensor of a checkpoint, why, and carrying it out."""

from __future__ import annotations

import os
from collections import namedtuple
from collections.abc import Iterable, Mapping
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._checkpoint import Checkpoint
    from ._targets import Target

from . import _core
from ._errors import Error

PROGRESS = "training/"  # keys of what CheckpointManager keeps beside a model's tensors


class IncompletePlan(Error):
    """The plan leaves variables as they are, and nobody has said allow_partial=True. .plan is the plan."""

    def __init__(self, message: str = "", plan: Plan | None = None):
        super().__init__(message, "invalid_argument")
        self.plan = plan

    def __reduce__(self):
        return type(self), (self.message,)


class PlanRow(namedtuple("PlanRow", "name path key dtype shape role verdict restored required source candidates rule fix reason remedy")):
    """What becomes of one wanted variable.

    name, path, key, dtype, shape, role: as the target has it. verdict: key, path, name, rule, proposed, missing, shape, dtype, ambiguous or
    skipped. restored: with the plan's settings. required: the plan is incomplete without it. source: the checkpoint's key, or None.
    candidates: keys, where several could be meant. rule: which one (from 1) renamed it. fix: what is done on the way, or would have to be
    (transpose, reshape, resize, cast), or None. reason, remedy: words.
    """

    __slots__ = ()


class Plan:
    """Made by Checkpoint.plan(target). `rows` has one PlanRow for each variable of the target, in its order; print it for the table."""

    __slots__ = ("checkpoint", "target", "rows", "allow_partial", "_core", "_uses", "_keys")

    def __init__(self, checkpoint: Checkpoint, target: Target, core: Any, allow_partial: bool, keys: list[str]):
        self.checkpoint, self.target, self.allow_partial, self._core, self._keys = checkpoint, target, allow_partial, core, keys
        self.rows: list[PlanRow] = []
        for at, row in zip(target.variables, core.rows()):
            _, verdict, restored, required, have, candidates, rule, fix, reason, remedy = row
            source = None if have is None else keys[have]
            found = tuple(keys[i] for i in candidates)
            self.rows.append(PlanRow(
                at.name, at.path or None, at.key or None, None if at.dtype is None else _core_dtype(at.dtype), None if at.shape is None else tuple(at.shape),
                at.role, verdict, restored, required, source, found, rule, fix, reason, remedy,
            ))  # fmt: skip
        self._uses: list[tuple[str, str]] | None = None

    @property
    def complete(self) -> bool:
        """Every required variable is restored."""
        return self._core.complete

    @property
    def restored(self) -> dict[str, str]:
        """The checkpoint's keys by the names of the variables that they restore."""
        return {at.shown: row.source for at, row in zip(self.target.variables, self.rows) if row.restored}

    @property
    def missing(self) -> list[PlanRow]:
        """Required variables that are not restored, whatever keeps them from it."""
        return [row for row in self.rows if row.required and not row.restored]

    @property
    def uses(self) -> dict[str, str]:
        """What becomes of each tensor of the checkpoint, by key: used, unsettled, slot, counter, state, other or unexpected."""
        if self._uses is None:
            self._uses = self._core.uses()
        return {key: use for key, (use, _) in zip(self._keys, self._uses)}

    @property
    def unexpected(self) -> list[str]:
        """Keys of the checkpoint's weights (with slots=True slots too) that nobody wants."""
        return [key for key, use in self.uses.items() if use == "unexpected"]

    def table(self, most_rows: int = 20) -> str:
        """As `ferry plan` prints it; 0: every row."""
        return self._core.table(most_rows)

    def to_json(self) -> str:
        """As `ferry plan --json` prints it (docs/checkpoints.md)."""
        return self._core.json(self.checkpoint.path, self.target.words)

    def __repr__(self) -> str:
        return self.table().rstrip("\n")

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"

    # ---- Carrying it out

    def _check(self) -> None:
        if self.allow_partial or self.complete:
            return
        raise IncompletePlan(f"the plan is incomplete; allow_partial=True leaves what is not restored as it is\n{self!r}", self)

    def _made(self, position: int) -> Any:
        """The tensor of a restored row, as the variable takes it."""
        row, at = self.rows[position], self.target.variables[position]
        tensor = self.checkpoint[row.source]
        if row.fix is None:
            return tensor
        resize = row.fix.get("resize")
        base = at.get() if resize and at.get is not None else None
        return self._core.fitted(position, tensor, base)

    def tensors(self) -> dict[str, Any]:
        """The restored tensors by the variables' names, as they are to be: for models that are nothing we know."""
        self._check()
        return {self.target.variables[i].shown: self._made(i) for i, row in enumerate(self.rows) if row.restored}

    def apply(self) -> dict[str, str]:
        """Sets the target's variables, and gives what was set: the checkpoint's keys by the variables' names.

        Every tensor is read, made to fit and checked before the first variable changes. IncompletePlan where a required variable is left,
        unless the plan allows that.
        """
        self._check()
        if not self.target.live:
            raise TypeError(f"{self.target.words} is no model whose variables can be set; write() makes a file of it")
        made = []
        for i, row in enumerate(self.rows):
            if not row.restored:
                continue
            at = self.target.variables[i]
            if at.set is None:
                raise TypeError(f"the variable {at.shown!r} cannot be set: what holds it cannot be changed; tensors() gives the values")
            tensor = self._made(i)
            shape = tuple(tensor.shape)
            if at.shape is not None and (len(shape) != len(at.shape) or any(b is not None and a != b for a, b in zip(shape, at.shape))):
                raise Error(f"{row.source}: the tensor has the shape {shape}, which the listing said otherwise", "data_loss")
            made.append((at, tensor))
        for at, tensor in made:
            at.set(tensor)
        return self.restored

    def write(self, path: str | os.PathLike[str], format: str | None = None, *, root: str | None = "model", **options: Any) -> None:
        """The target as it is once restored, as a file: its keys, order and dtypes; what is not restored with the values it has.

        A checkpoint that is the target lends its object graph, a live TensorFlow or Keras model gives its own, so that tf.train.Checkpoint
        restores it (a model as the child `root` of its root, see Checkpoint.save). Without an extension that says otherwise the format is ckpt.
        """
        from ._save import rooted, write_target

        self._check()
        values = {i: self._made(i) for i, row in enumerate(self.rows) if row.restored}
        write_target(path, rooted(self.target, root), format, options, values)


def _core_dtype(dtype: Any) -> Any:
    return dtype if isinstance(dtype, _core.DType) else _core.as_dtype(dtype)


def _rules(rules: Any) -> list[str]:
    if rules is None:
        return []
    if isinstance(rules, (str, os.PathLike)):
        rules = [rules]
    if isinstance(rules, Mapping):
        return [f"{str(regex).replace('=', chr(92) + '=')}={name}" for regex, name in rules.items()]
    return [f"@{os.fspath(rule)}" if isinstance(rule, os.PathLike) else str(rule) for rule in rules]


def _path_finder(checkpoint: Checkpoint, target: Target) -> Any:
    """Positions by path: whichever way the path takes through the object graph, and whether or not the target is the root there.

    A checkpoint of tf.train.Checkpoint(model=model) has the model as a child; where only one child leads to what the target's paths say, paths begin
    there."""
    graph = checkpoint._core.objects()
    paths = [at.path for at in target.variables if at.path and at.role == "weight"][:1000]
    if graph is None or not paths:
        return None
    position = {info.node: i for i, info in enumerate(checkpoint.infos.values()) if info.node is not None}
    by_path = {info.path: i for i, info in enumerate(checkpoint.infos.values()) if info.path}

    def find(path: str) -> int | None:
        node = graph.find(path)
        return by_path.get(path) if node is None else position.get(node)

    def hits(prefix: str) -> int:
        return sum(find(prefix + path) is not None for path in paths)

    best = hits("")
    if best == 0:
        found = sorted(((hits(f"{name}/"), f"{name}/") for name, _ in graph.children(0)), reverse=True)
        if found and found[0][0] > 0 and (len(found) == 1 or found[1][0] < found[0][0]):
            prefix = found[0][1]
            return lambda path: find(prefix + path)
    return find


def make_plan(
    checkpoint: Checkpoint,
    target: Any,
    rules: Any = None,
    *,
    allow_partial: bool = False,
    accept_proposed: bool = False,
    slots: bool = False,
    fix: str | Iterable[str] = (),
) -> Plan:
    from ._checkpoint import Checkpoint
    from ._targets import as_target

    format, parts, validate, limits, options = checkpoint._arguments
    if parts is not False:
        checkpoint = Checkpoint(checkpoint.path, format, parts=False, validate=validate, limits=limits, **options)
    if isinstance(target, Checkpoint) and target._arguments[1] is not False:
        format, _, validate, limits, options = target._arguments
        target = Checkpoint(target.path, format, parts=False, validate=validate, limits=limits, **options)
    found = as_target(target, slots=slots)
    infos = checkpoint.infos
    have = [
        (i.key, i.name, i.path, i.dtype, i.shape, "state" if i.key.startswith(PROGRESS) else i.role, i.slot_name, i.slot_of) for i in infos.values()
    ]
    wanted = [at.row(infos) for at in found.variables]
    fixes = fix.split(",") if isinstance(fix, str) else list(fix)
    core = _core._Plan(have, wanted, _rules(rules), fixes, slots, accept_proposed, allow_partial, _path_finder(checkpoint, found))
    return Plan(checkpoint, found, core, allow_partial, list(infos))
