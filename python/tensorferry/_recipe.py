"""Datasets as pickles, for workers that are started anew: how one was made, and made again over there."""

from __future__ import annotations

from collections.abc import Callable
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_STAGES = (
    "shuffle", "interleave", "batch", "bucket_by_length", "cache", "map", "filter", "repeat", "shard", "skip", "take", "prefetch", "with_options",
)  # fmt: skip


def _dressed(wrapper: Any, function: Any) -> Any:
    """As functools.wraps does it, whose import costs as much as ten of ours."""
    for name in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__"):
        setattr(wrapper, name, getattr(function, name))
    wrapper.__wrapped__ = function
    return wrapper


def _stage(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def recorded(self: Any, *args: Any, **keywords: Any) -> Any:
        out = method(self, *args, **keywords)
        out._recipe = (self, name, args, keywords)
        return out

    return _dressed(recorded, method)


def record_stages(cls: type) -> None:
    """Its stages remember what they were made of."""
    for name in _STAGES:
        if name in cls.__dict__:
            setattr(cls, name, _stage(name, cls.__dict__[name]))
    cls.__reduce__ = _reduce  # type: ignore[method-assign]


def source(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function, or the inside of a class method, that makes a dataset of what it is given."""

    def recorded(*args: Any, **keywords: Any) -> Any:
        out = function(*args, **keywords)
        out._recipe = (None, function.__qualname__, args, keywords)
        return out

    return _dressed(recorded, function)


def _reduce(self: Any) -> Any:
    steps = []
    at: Any = self
    while at is not None:
        if at._recipe is None:
            raise TypeError("this dataset was not made by tensorferry.dataset or SparseDataset, and cannot be pickled")
        at, *step = at._recipe
        if step[0] == "shuffle" and _seed(*step[1], **step[2]) is None:
            raise TypeError("shuffle() drew a seed, and would draw another one elsewhere: a dataset that is pickled needs shuffle(seed=…)")
        steps.append(tuple(step))
    return rebuild, (type(self).__name__, tuple(reversed(steps)), self._epoch)


def _seed(buffer: Any = None, seed: Any = None, reshuffle: bool = True) -> Any:
    return seed


def rebuild(kind: str, steps: Any, epoch: int) -> Any:
    from . import _dataset

    (name, args, keywords), *stages = steps
    if "." in name:
        cls, _, name = name.partition(".")
        out = getattr(getattr(_dataset, cls), name)(*args[1:], **keywords)  # a class method's first argument is the class
    else:
        out = getattr(_dataset, name)(*args, **keywords)
    for name, args, keywords in stages:
        out = getattr(out, name)(*args, **keywords)
    out.set_epoch(epoch)
    return out
