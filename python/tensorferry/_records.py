"""What records need of Python: the region that a reader stepped over, and the log that says so."""

from __future__ import annotations

from collections import namedtuple


class SkippedRegion(namedtuple("SkippedRegion", "begin end records reason")):
    """Bytes [begin, end) that hold no whole record: how many records were lost (None where nobody knows), and why."""

    __slots__ = ()


def log_skipped(path: str | None, region: SkippedRegion) -> None:
    import logging

    logging.getLogger("tensorferry.records").warning(
        "%s: skipped bytes %d to %d: %s", path or "<memory>", region.begin, region.end, region.reason
    )
