"""Names that no rule knows: what a caller says a module's path becomes in the base."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from ..errors import BaseModelError

Said = tuple[tuple[re.Pattern[str], str], ...]
_SAID: ContextVar[Said] = ContextVar("said", default=())


@contextmanager
def renaming(names: Mapping[str, str]) -> Iterator[None]:
    r"""Inside, bases are opened so that modules are sought in them by other names.

    Every path of the adapter's goes through every expression in turn, as by ``re.sub``, and W0 is then what
    the base has under the path that comes out, without its ``.weight``.

    Args:
        names: Regular expression of what stands in the adapter's path to what stands in the base's; ``\1`` is
            its first group. A prefix is ``^old\.``.

    Raises:
        BaseModelError: It is no regular expression.

    Example:
        >>> import lora_lens as ll
        >>> with ll.renaming({r"^backbone\.": "", "to_v": "value"}):
        ...     base = ll.open_base("sentence-transformers/all-MiniLM-L6-v2")
        >>> base.weight("backbone.encoder.layer.0.attention.self.to_v").shape
        torch.Size([384, 384])
    """
    with saying((*_SAID.get(), *(_compiled(old, new) for old, new in names.items()))):
        yield


@contextmanager
def saying(names: Said) -> Iterator[None]:
    """Inside, what is said is `names` and nothing else: for work that is done in another process or thread."""
    token = _SAID.set(names)
    try:
        yield
    finally:
        _SAID.reset(token)


def said() -> Said:
    """What is said where this is called."""
    return _SAID.get()


def renamed(path: str, names: Said) -> str:
    """A module's path in the base."""
    for old, new in names:
        path = old.sub(new, path)
    return path


def _compiled(old: str, new: str) -> tuple[re.Pattern[str], str]:
    try:
        re.compile(f"{old}|").sub(new, "")  # whether the groups that it names are there
        return re.compile(old), new
    except (re.error, RecursionError, OverflowError, IndexError) as error:
        raise BaseModelError(
            f"{old!r} to {new!r} is no renaming: {error}; expected a regular expression, and what it becomes"
        ) from None
