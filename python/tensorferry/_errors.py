"""Exceptions. Every one is a tensorferry.Error, and also the built-in that fits."""

from __future__ import annotations

import errno
import os


class Error(ValueError):
    """What went wrong, with the facts beside the words.

    code: "invalid_argument", "data_loss", "unsupported", "not_found", "io", "limit_exceeded", …
    offset: the byte position in the source, where there is one.
    path: the file that was being read or written, where there is one.
    """

    code: str
    offset: int | None
    path: str | None

    def __init__(self, message: str = "", code: str = "invalid_argument", offset: int | None = None, path: str | None = None):
        super().__init__(message)
        self.message = message
        self.code = code
        self.offset = offset
        self.path = path

    def __str__(self) -> str:
        where = self.path or ""
        if self.offset is not None:
            where += f"{', ' if where else ''}at byte {self.offset}"
        return f"{where}: {self.message}" if where else self.message

    def __reduce__(self):
        return type(self), (self.message, self.code, self.offset, self.path)


class FileError(Error, OSError):
    """The operating system refused. `errno` and `filename` are set as OSError sets them."""

    def __init__(self, message: str = "", code: str = "io", offset: int | None = None, path: str | None = None):
        Error.__init__(self, message, code, offset, path)
        self.filename = path
        # The core keeps the system's words; the number is found again by them, for callers that test errno.
        self.errno = next((n for n in errno.errorcode if message.endswith(os.strerror(n))), None)


class NotFoundError(FileError, FileNotFoundError):
    """No such file."""

    def __init__(self, message: str = "", code: str = "not_found", offset: int | None = None, path: str | None = None):
        FileError.__init__(self, message, code, offset, path)
        self.errno = errno.ENOENT


class UnavailableError(FileError):
    """A remote side is not there now."""


class DeadlineError(FileError, TimeoutError):
    """Time ran out."""


class InternalError(Error, RuntimeError):
    """A bug in TensorFerry."""


_KINDS = {
    "not_found": NotFoundError,
    "io": FileError,
    "unavailable": UnavailableError,
    "deadline": DeadlineError,
    "cancelled": InternalError,
    "internal": InternalError,
}


def make_error(code: str, message: str, offset: int | None = None, path: str | None = None) -> Error:
    return _KINDS.get(code, Error)(message, code, offset, path)
