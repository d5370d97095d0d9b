"""Shapes checked in the first of many calls that are alike: in hundreds of small ones the checks take longer than what they check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest
from jaxtyping import config

T = TypeVar("T")


@contextmanager
def unchecked() -> Iterator[None]:
    """No shape is checked within."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "jaxtyping_disable", True)
        yield


def checked_once(items: Iterable[T]) -> Iterator[T]:
    """The items; shapes are checked while the first is worked on, and again when all are done, or, in conftest.py, the test."""
    rest = iter(items)
    yield next(rest)
    with unchecked():
        yield from rest
