"""A Keras callback that saves and resumes. Keras 3 on any backend, and tf_keras; whichever the model is of is imported, when it is asked for."""

from __future__ import annotations

import math
import os
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

from ._errors import Error
from ._manager import CheckpointManager

_classes: dict[str, type] = {}


def keras_checkpoints(
    folder: str | os.PathLike[str],
    *,
    keep: int | None = 3,
    keep_every_hours: float | None = None,
    every: str | int = "epoch",
    monitor: str | None = None,
    mode: str = "auto",
    resume: bool = True,
    name: str = "ckpt",
    format: str = "ckpt",
    keras: Any = None,
) -> Any:
    """A callback for model.fit(): checkpoints of the model with its optimizer in `folder`, and going on from the newest.

    every: "epoch", or a number of batches. keep, keep_every_hours, name, format: as CheckpointManager.
    monitor: a metric of the logs ("val_loss"): the best checkpoint by it is kept in FOLDER/best besides. mode: min, max, or auto (max for
    names of accuracies, AUC, precision, recall and scores).
    resume: the first fit() with this callback begins with the newest checkpoint's weights, optimizer state and epoch; without it the steps in
    the names go on, and nothing else does. A checkpoint that was saved within an epoch begins that epoch again;
    `.progress()` says before fit() how many batches of it were done, for a data source that can skip them.
    keras: the module, where it is not to be told by what is imported (tf_keras).
    """
    if every != "epoch" and (not isinstance(every, int) or every < 1):
        raise ValueError(f"every is {every!r}, expected 'epoch' or a number of batches")
    if mode not in ("auto", "min", "max"):
        raise ValueError(f"mode is {mode!r}, expected min, max or auto")
    if keras is None:
        import keras
    home = keras.__name__
    if home not in _classes:
        _classes[home] = _make_class(keras)
    manager = CheckpointManager(folder, keep, keep_every_hours, name, format)
    best = CheckpointManager(os.path.join(os.fspath(folder), "best"), 1, None, name, format) if monitor is not None else None
    if mode == "auto":
        mode = "max" if monitor and any(word in monitor.lower() for word in ("acc", "auc", "precision", "recall", "score", "f1", "iou")) else "min"
    return _classes[home](manager, best, every, monitor, mode, resume)


class _Counters:
    """tf_keras asks its model where to go on."""

    def __init__(self, epoch: int):
        self.epoch = epoch

    def maybe_load_initial_counters_from_ckpt(self, steps_per_epoch: Any, initial_epoch: int, mode: Any) -> tuple[int, int]:
        return max(self.epoch, initial_epoch), 0


def _make_class(keras: Any) -> type:
    class KerasCheckpoints(keras.callbacks.Callback):
        def __init__(self, manager: CheckpointManager, best: CheckpointManager | None, every: str | int, monitor: str | None, mode: str, resume: bool):
            super().__init__()
            self.manager, self.best, self.every, self.monitor, self.mode, self.resume = manager, best, every, monitor, mode, resume
            self.resumed_from: str | None = None
            self.best_value = math.inf if mode == "min" else -math.inf
            self.step = 0  # batches in all
            self._epoch = self._batch = self._since = self._per_epoch = 0
            self._saved = -1
            self._began = False

        def progress(self) -> dict[str, Any]:
            """epoch, batch and step of the newest checkpoint: how many of each are done. Empty where there is none."""
            return self.manager.progress()

        def on_train_begin(self, logs: Any = None) -> None:
            path = self.manager.latest
            again, self._began = self._began, True
            if again or path is None:
                return
            if not self.resume:
                self.step = self._saved = self.manager.latest_step or 0  # names that are taken stay as they are
                return
            if not getattr(self.model, "built", True):
                raise Error("the model has no variables yet: build() it before fit(), so that they can be restored", "invalid_argument")
            self.manager.restore_latest(self.model)
            self.resumed_from = path
            done = self.manager.progress()
            self.step = self._saved = int(done.get("step", self.manager.latest_step or 0))
            self._epoch = int(done.get("epoch", 0))
            if self.best is not None:
                self.best_value = self.best.progress().get("best", self.best_value)
            if self._epoch > 0:
                if hasattr(self.model, "_maybe_load_initial_counters_from_ckpt"):
                    self.model._training_state = _Counters(self._epoch)
                else:
                    self.model._initial_epoch = self._epoch

        def on_train_end(self, logs: Any = None) -> None:
            if self.resumed_from is None:
                return
            if isinstance(getattr(self.model, "_training_state", None), _Counters):
                self.model._training_state = None
            elif hasattr(self.model, "_initial_epoch"):
                self.model._initial_epoch = None  # it would hold for the next fit() as well

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._epoch, self._batch = epoch, 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            done = batch + 1 - self._batch  # several where Keras runs several at a time
            self._batch = batch + 1
            self.step += done
            self._since += done
            if self.every != "epoch" and self._since >= self.every:
                self._since = 0
                self._save()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self._per_epoch = self._batch
            self._epoch, self._batch = epoch + 1, 0
            value = None if self.monitor is None or not logs or self.monitor not in logs else float(logs[self.monitor])
            if self.monitor is not None and value is None:
                raise Error(f"{self.monitor!r} is no metric of this training; there are {', '.join(logs or {}) or 'none'}", "invalid_argument")
            better = value is not None and (value < self.best_value if self.mode == "min" else value > self.best_value)
            if better:
                self.best_value = value
            if self.every == "epoch" or better:
                self._save()
            if better and self.best is not None and self.best.latest_step != self.step:
                self.best.save(self.step, self.model, progress=self._progress())

        def _progress(self) -> dict[str, Any]:
            epoch, batch = self._epoch, self._batch
            if batch and batch == (self._per_epoch or (self.params or {}).get("steps")):
                epoch, batch = epoch + 1, 0
            out: dict[str, Any] = {"epoch": epoch, "batch": batch, "step": self.step}
            if self.monitor is not None and math.isfinite(self.best_value):
                out["best"] = self.best_value
            return out

        def _save(self) -> None:
            if self.step != self._saved:  # after the last batch of an epoch, and at its end, the weights are the same
                self.manager.save(self.step, self.model, progress=self._progress())
                self._saved = self.step

    return KerasCheckpoints
