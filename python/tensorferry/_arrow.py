"""Arrow in: tables, record batches, arrays, data frames and series of PyArrow, polars, duckdb and others, by the PyCapsule
interface. None of them is imported; PyArrow is not needed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from . import _core
from ._map import TensorMap


def has_arrow(value: Any) -> bool:
    return hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__")


def from_arrow(value: Any) -> Any:
    """A TensorMap of the columns of a table, record batch or data frame; one tensor of an array or series.

    Columns without nulls, in one chunk, are shared and not copied. Nulls become NaN in floats and are an error elsewhere.
    """
    if hasattr(value, "__arrow_c_array__"):
        table, (metadata, entries) = _core._from_arrow_array(*value.__arrow_c_array__())
    elif hasattr(value, "__arrow_c_stream__"):
        table, (metadata, entries) = _core._from_arrow_stream(value.__arrow_c_stream__())
    else:
        raise TypeError(f"a {type(value).__name__} has neither __arrow_c_array__ nor __arrow_c_stream__")
    if len(entries) == 1 and (not table or entries[0][0] == ""):
        return entries[0][1]
    out = TensorMap(((name, tensor) for name, tensor, _ in entries), metadata)
    out.tensor_metadata = {name: texts for name, _, texts in entries if texts}
    out.format = "arrow"
    return out
