"""Which of a batch's tensors are features, which labels, which weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from ._errors import Error
from ._spec import ElementSpec


class Roles:
    """The shape that frameworks want a batch in: features; (features, label); or (features, label, weight).

    structure: the same, with names for tensors. One name is one tensor, a list of them a dict. Where features are not named, they are
    all that is left; lone: and if that is one, that one alone.
    """

    __slots__ = ("specs", "structure")

    def __init__(self, specs: Iterable[ElementSpec], features: Any = None, label: Any = None, weight: Any = None, lone: bool = False):
        by_name = {spec.name: spec for spec in specs}
        if weight is not None and label is None:
            raise ValueError(f"weight={weight!r} is of no use without label=")
        for role, names in (("features", features), ("label", label), ("weight", weight)):
            for name in _names(names):
                if name not in by_name:
                    known = ", ".join(map(repr, by_name))
                    raise Error(f"no tensor is called {name!r} ({role}); the batches have {known or 'none'}")
        if features is None:
            taken = {*_names(label), *_names(weight)}
            features = [name for name in by_name if name not in taken]
            if lone and len(features) == 1:
                features = features[0]
        parts = [names if isinstance(names, str) else {name: name for name in names} for names in (features, label, weight) if names is not None]
        self.structure: Any = parts[0] if len(parts) == 1 else tuple(parts)
        self.specs: dict[str, ElementSpec] = {name: by_name[name] for part in parts for name in _names(part)}

    def arrange(self, convert: Callable[[str], Any]) -> Any:
        """The structure with what convert makes of each name."""
        return _arranged(self.structure, convert)


def _names(names: Any) -> tuple[str, ...]:
    return () if names is None else (names,) if isinstance(names, str) else tuple(names)


def _arranged(structure: Any, convert: Callable[[str], Any]) -> Any:
    if isinstance(structure, str):
        return convert(structure)
    if isinstance(structure, tuple):
        return tuple(_arranged(part, convert) for part in structure)
    return {key: convert(name) for key, name in structure.items()}
