"""torch without the modes of its caller's thread: autocast, and a default device, which change numbers or end them.

The default dtype, which is the whole process's, is left as it is: whatever makes a tensor says its dtype.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")
_KINDS = ("cpu", "cuda", "mps", "xpu")


def in_plain_torch(function: Callable[_Given, _Found]) -> Callable[_Given, _Found]:
    """`function`, computed in `plain_torch`; no generator, whose body runs after it has returned.

    Example:
        >>> import torch
        >>> made = in_plain_torch(lambda: torch.zeros(1, dtype=torch.float64))
        >>> with torch.device("meta"):
        ...     made()
        tensor([0.], dtype=torch.float64)
    """

    @wraps(function)
    def plain(*args: _Given.args, **kwargs: _Given.kwargs) -> _Found:
        with plain_torch():
            return function(*args, **kwargs)

    return plain


@contextmanager
def plain_torch() -> Iterator[None]:
    """The block in which autocast is off, of processors and of CUDA's, Apple's and Intel's cards, and tensors are made on the CPU, in this thread; nothing where torch is not loaded.

    Tensors stay on their devices, and keep their gradients.

    Example:
        >>> import torch
        >>> with torch.device("meta"), plain_torch():
        ...     torch.empty(0).device
        device(type='cpu')
    """
    with ExitStack() as modes:
        if "torch" in sys.modules:
            import torch

            # A mode of torch's costs at every call: only where there is another to undo.
            if torch.empty(0, dtype=torch.float32).device.type != "cpu":
                modes.enter_context(torch.device("cpu"))
            for kind in filter(torch.is_autocast_enabled, _KINDS):
                modes.enter_context(torch.autocast(kind, enabled=False))
        yield
