"""Adapters: what every stream of batches can become. ds.tf(), ds.keras(), ds.torch(), ds.scipy()."""

from __future__ import annotations

from collections.abc import Iterator
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from ._roles import Roles
from ._spec import as_specs


class Adapters:
    """For classes that iterate over TensorMaps (anew each time) and have an element_spec.

    All four split a batch alike. label=, weight=: the name of a tensor, or a list of names for a dict of several. features=: a name,
    a list of names, or None for all the others. A batch is then (features, label) or (features, label, weight), and without a
    label features alone. Features are a dict by name; where one is named, or only one is left beside a label, that tensor itself.
    """

    __slots__ = ()

    # (features, label, weight) where the caller names none.
    _roles: tuple[Any, Any, Any] = (None, None, None)

    def _arrangement(self, features: Any, label: Any, weight: Any, lone: bool = False) -> Roles:
        if features is None and label is None and weight is None:
            features, label, weight = self._roles
        lone = lone or label is not None
        return Roles(as_specs(self.element_spec), features, label, weight, lone)  # type: ignore[attr-defined]

    def tf(self, label: Any = None, weight: Any = None, *, features: Any = None, prefetch: int | None = None) -> Any:
        """A tf.data.Dataset with SparseTensors (sorted), RaggedTensors and dense tensors, and a signature that says just that.

        It can be iterated over again, and each pass begins anew. prefetch: batches TensorFlow makes ahead.
        """
        from ._adapt_tf import to_dataset

        return to_dataset(self, self._arrangement(features, label, weight), prefetch)

    def keras(
        self, label: Any = None, weight: Any = None, *, features: Any = None, densify: bool | None = None, class_weight: Any = None
    ) -> Any:
        """What Keras 3's fit, evaluate and predict take as x, on every backend; each epoch is one pass, of whatever length.

        TensorFlow gets SparseTensors, JAX gets BCOO; where a backend has no sparse or ragged tensors, batches become dense, and a
        warning says so once. densify: True makes all dense without a warning, False refuses to. class_weight: weights by label, as
        in fit(), which cannot see into this.
        """
        from ._adapt_keras import to_source

        return to_source(self, self._arrangement(features, label, weight, lone=True), densify, class_weight)

    def torch(self, label: Any = None, weight: Any = None, *, features: Any = None, layout: str = "coo") -> Any:
        """A torch.utils.data.IterableDataset of whole batches, for DataLoader(…, batch_size=None), with any number of workers.

        layout: of sparse tensors, "coo" (coalesced), "csr" or "block_diag".
        """
        from ._adapt_torch import to_iterable

        return to_iterable(self, self._arrangement(features, label, weight), layout)

    def scipy(self, label: Any = None, weight: Any = None, *, features: Any = None, layout: str = "csr") -> Iterator[Any]:
        """Iterates over batches of scipy.sparse arrays and NumPy arrays. layout: "csr", "csc" or "coo"; of more axes always "coo"."""
        from ._scipy import to_scipy

        if layout not in ("coo", "csr", "csc"):
            raise ValueError(f"layout is {layout!r}, expected 'coo', 'csr' or 'csc'")
        roles = self._arrangement(features, label, weight)

        def convert(tensor: Any, spec: Any) -> Any:
            if not spec.is_sparse:
                return tensor if spec.kind == "ragged" else tensor.to_numpy()
            if tensor.ndim == 2 and tensor.layout != layout:
                tensor = tensor.to_layout(layout)
            return to_scipy(tensor)

        def batches() -> Iterator[Any]:
            for batch in self:  # type: ignore[attr-defined]
                yield roles.arrange(lambda name: convert(batch[name], roles.specs[name]))

        return batches()
