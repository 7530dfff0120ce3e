"""CheckpointManager: the last few checkpoints of a training in a folder, whole at any moment."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Mapping
from contextlib import contextmanager
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

from ._errors import Error, NotFoundError
from ._plan import PROGRESS

_STATE = "checkpoint"
_EXTENSIONS = {"ckpt": "", "h5": ".weights.h5", "keras": ".keras", "safetensors": ".safetensors", "npz": ".npz"}
_LINE = re.compile(rb'^\s*(\w+)\s*:\s*(?:"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'|([-+.\w]+))\s*$', re.MULTILINE)


# ---- TensorFlow's file `checkpoint`: a CheckpointState as text


def _unescaped(text: bytes) -> str:
    simple = {b"n": b"\n", b"t": b"\t", b"r": b"\r"}

    def one(match: re.Match[bytes]) -> bytes:
        code = match.group(1)
        if code[:1] in b"01234567":
            return bytes([int(code, 8) & 255])
        if code[:1] in b"xX":
            return bytes([int(code[1:], 16)])
        return simple.get(code, code)

    return os.fsdecode(re.sub(rb"\\([0-7]{1,3}|[xX][0-9a-fA-F]{1,2}|.)", one, text))


def _escaped(text: str) -> bytes:
    return b"".join(bytes([b]) if 32 <= b < 127 and b not in b'"\\' else b"\\%03o" % b for b in os.fsencode(text))


class _State:
    """latest and all are paths as they are written; times in seconds."""

    def __init__(self, latest: str = "", entries: list[tuple[str, float]] | None = None, preserved: float | None = None):
        self.latest, self.entries, self.preserved = latest, entries or [], preserved

    @classmethod
    def read(cls, folder: str) -> _State:
        try:
            with open(os.path.join(folder, _STATE), "rb") as file:
                text = file.read()
        except FileNotFoundError:
            return cls()
        paths: list[str] = []
        times: list[float] = []
        out = cls()
        for name, double, single, number in _LINE.findall(text):
            if name == b"model_checkpoint_path":
                out.latest = _unescaped(double or single)
            elif name == b"all_model_checkpoint_paths":
                paths.append(_unescaped(double or single))
            elif name == b"all_model_checkpoint_timestamps":
                times.append(float(number))
            elif name == b"last_preserved_timestamp":
                out.preserved = float(number)
        if out.latest and out.latest not in paths:
            paths.append(out.latest)
        out.entries = list(zip(paths, times + [0.0] * (len(paths) - len(times))))
        return out

    def write(self, folder: str) -> None:
        lines = [b'model_checkpoint_path: "%s"' % _escaped(self.latest)]
        lines += [b'all_model_checkpoint_paths: "%s"' % _escaped(path) for path, _ in self.entries]
        lines += [b"all_model_checkpoint_timestamps: %s" % repr(float(at)).encode() for _, at in self.entries]
        if self.preserved is not None:
            lines.append(b"last_preserved_timestamp: %s" % repr(float(self.preserved)).encode())
        temporary = os.path.join(folder, f".{_STATE}.{os.getpid()}.{threading.get_ident()}")
        try:
            with open(temporary, "wb") as file:
                file.write(b"\n".join(lines) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, os.path.join(folder, _STATE))
        except BaseException:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise


class CheckpointManager:
    """Keeps the last `keep` checkpoints of a training in a folder, and TensorFlow's file `checkpoint` that names them, so that
    tf.train.latest_checkpoint and tf.train.CheckpointManager agree.

    keep: how many; None keeps all. keep_every_hours: besides these, one for each so many hours is left where it is for good.
    name: checkpoints are NAME-STEP. format: ckpt, safetensors, npz, h5 or keras.
    root: the name under which a TensorFlow model is the child of the checkpoint's root (see Checkpoint.save).

    What is promised: a checkpoint's files appear whole or not at all; the file `checkpoint` names it once they are in place, and the old
    ones are removed after that. A process that is killed at any moment leaves a folder that restore_latest() goes on from. Threads and
    processes on one machine may share a folder: each save() holds a lock on it while it updates the list. Files that the list does
    not name, and checkpoints of other names, are never touched.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        keep: int | None = 5,
        keep_every_hours: float | None = None,
        name: str = "ckpt",
        format: str = "ckpt",
        *,
        root: str | None = "model",
    ):
        if keep is not None and keep < 1:
            raise ValueError(f"keep is {keep}, expected 1 or more, or None for all")
        if format not in _EXTENSIONS:
            raise ValueError(f"format is {format!r}, expected one of {', '.join(_EXTENSIONS)}")
        if not name or "/" in name or name == _STATE:
            raise ValueError(f"{name!r} is no name for checkpoints")
        self.folder = os.path.abspath(os.fspath(folder))
        self.keep, self.keep_every_hours, self.name, self.format, self.root = keep, keep_every_hours, name, format, root
        self._extension = _EXTENSIONS[format]
        self._mine = re.compile(re.escape(name) + r"-(\d+)" + re.escape(self._extension))
        self._thread_lock = threading.Lock()
        os.makedirs(self.folder, exist_ok=True)

    # ---- What there is

    def _step(self, path: str) -> int | None:
        match = self._mine.fullmatch(os.path.basename(path))
        return int(match.group(1)) if match else None

    def _here(self, path: str) -> str | None:
        """Where a path of the list leads: as written, or in this folder; None where it is not ours or nothing is there."""
        if self._step(path) is None:
            return None
        for found in (os.path.join(self.folder, path), os.path.join(self.folder, os.path.basename(path))):
            if os.path.isfile(found + (".index" if self.format == "ckpt" else "")):
                return found
        return None

    @property
    def checkpoints(self) -> list[str]:
        """Paths of those that are kept, oldest first."""
        return [found for path, _ in _State.read(self.folder).entries if (found := self._here(path))]

    @property
    def latest(self) -> str | None:
        """The path of the newest, or None."""
        state = _State.read(self.folder)
        found = self._here(state.latest) if state.latest else None
        if found is None:
            there = [path for path, _ in state.entries if self._here(path)]
            found = self._here(there[-1]) if there else None
        return found

    @property
    def latest_step(self) -> int | None:
        found = self.latest
        return None if found is None else self._step(found)

    def path(self, step: int) -> str:
        return os.path.join(self.folder, f"{self.name}-{int(step)}{self._extension}")

    # ---- Saving

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._thread_lock:
            try:
                import fcntl
            except ImportError:
                yield
                return
            handle = os.open(self.folder, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield
            finally:
                os.close(handle)

    def save(self, step: int, tensors: Any, *, progress: Mapping[str, int | float] | None = None, **options: Any) -> str:
        """Writes a checkpoint of what Checkpoint.save takes, as NAME-STEP; gives its path. progress: numbers that go on with a training (epoch,
        batch), kept beside the tensors as training/NAME."""
        from ._save import save_checkpoint

        step = int(step)
        if step < 0:
            raise ValueError(f"the step is {step}, expected 0 or more")
        path = self.path(step)
        if any(self._step(entry) == step and self._here(entry) for entry, _ in _State.read(self.folder).entries):
            raise Error(f"{path} is there already: another step, or delete({step}) first", "invalid_argument")
        extra = {PROGRESS + key: value for key, value in (progress or {}).items()}
        save_checkpoint(path, tensors, self.format, root=self.root, extra=extra, **options)
        with self._locked():
            state = _State.read(self.folder)
            now = time.time()
            entry = os.path.basename(path)
            state.entries = [(other, at) for other, at in state.entries if self._step(other) != step or not self._here(other)]
            state.entries.append((entry, now))
            state.latest = entry
            removed = self._retire(state, now)
            state.write(self.folder)
            self._remove(removed)
        return path

    def _retire(self, state: _State, now: float) -> list[str]:
        """Takes what is too many off the list, and gives what is to be removed of it."""
        mine = [(path, at) for path, at in state.entries if self._here(path)]
        if self.keep is None or len(mine) <= self.keep:
            return []
        every = None if self.keep_every_hours is None else self.keep_every_hours * 3600.0
        if every is not None and state.preserved is None:
            state.preserved = mine[0][1] - every
        removed = []
        for path, at in mine[: len(mine) - self.keep]:
            state.entries.remove((path, at))
            if every is not None and state.preserved is not None and at - every >= state.preserved:
                state.preserved = at
            else:
                removed.append(path)
        return removed

    def _remove(self, paths: list[str]) -> None:
        for path in paths:
            found = self._here(path)
            if found is None:
                continue
            if self.format != "ckpt":
                os.unlink(found)
                continue
            os.unlink(found + ".index")  # first: data without an index is no checkpoint
            data = re.compile(re.escape(os.path.basename(found)) + r"\.(data-\d{5}-of-\d{5}|meta)")
            for name in os.listdir(os.path.dirname(found)):
                if data.fullmatch(name):
                    os.unlink(os.path.join(os.path.dirname(found), name))

    def delete(self, step: int) -> None:
        """Removes one checkpoint; the latest too, and then the one before is the latest."""
        with self._locked():
            state = _State.read(self.folder)
            gone = [(path, at) for path, at in state.entries if self._step(path) == step and self._here(path)]
            if not gone:
                raise NotFoundError(f"no checkpoint of step {step} is kept", "not_found", None, self.folder)
            state.entries = [entry for entry in state.entries if entry not in gone]
            if self._step(state.latest) == step:
                state.latest = state.entries[-1][0] if state.entries else ""
            if state.entries:
                state.write(self.folder)
            else:
                os.unlink(os.path.join(self.folder, _STATE))
            self._remove([path for path, _ in gone])

    # ---- Going on

    def restore_latest(self, target: Any, **settings: Any) -> int | None:
        """Restores the newest checkpoint into a model or a mapping of arrays, the optimizer's state too, and gives its step; None where there is
        none, and nothing happens. settings: those of Checkpoint.plan; rows that it leaves are an IncompletePlan."""
        from ._checkpoint import Checkpoint

        path = self.latest
        if path is None:
            return None
        settings.setdefault("slots", True)
        Checkpoint(path, parts=False).plan(target, **settings).apply()
        return self._step(path)

    def progress(self) -> dict[str, int | float]:
        """What save() was given as progress, of the newest checkpoint; empty where there is none."""
        from ._checkpoint import Checkpoint

        path = self.latest
        if path is None:
            return {}
        checkpoint = Checkpoint(path, parts=False)
        return {key[len(PROGRESS) :]: checkpoint[key].to_numpy().item() for key in checkpoint if key.startswith(PROGRESS)}

    def __repr__(self) -> str:
        count = len(self.checkpoints)
        return f"CheckpointManager({self.folder!r}, {count} checkpoint{'' if count == 1 else 's'}, latest step {self.latest_step})"
