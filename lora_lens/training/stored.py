"""A study's storage that fails while a search goes on: an error of ours, whatever Optuna makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from optuna.exceptions import StorageInternalError

from ..errors import LensError, OutputError
from ..printable import first_line


@contextmanager
def storing(study: str) -> Iterator[None]:
    """The block in which the study of that name is read and written.

    Raises:
        OutputError: Its storage cannot be written, or read.
    """
    try:
        yield
    except LensError:
        raise
    except Exception as error:
        # Optuna raises an AssertionError over it where it cannot write how a trial ended.
        failed = _of_storage(error)
        if failed is None:
            raise
        said = failed.__cause__ or failed
        reason = first_line(getattr(said, "orig", None) or said)  # the driver's own
        raise OutputError(
            f"the storage of the study {study!r} cannot be written: {reason}; the same command goes on when it can"
        ) from error


def _of_storage(error: BaseException | None) -> StorageInternalError | None:
    """The storage's error among those that one was raised over."""
    while error is not None and not isinstance(error, StorageInternalError):
        error = error.__context__
    return error
