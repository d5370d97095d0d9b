"""Layers of a PeftModel that another one was made of: their factors are saved with the outer one's, and their α is in no file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...files.peft_names import PEFT_PREFIX
from .bounded_expressions import Budget, expression

_INNER = "of a PeftModel that this one was made of, by the configuration's target_modules: the α of that one is in no file"


def of_inner(
    factors: Mapping[str, Mapping[str, str]], config: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Tensors of layers that the outer configuration does not name, and why they are left out.

    Example:
        >>> factors = {"base_model.model.head": {"A": "head.A"}, "base_model.model.q": {"A": "q.A"}}
        >>> [name for name, _ in of_inner(factors, {"target_modules": ["q"]})]
        ['head.A']
    """
    twice = [path for path in factors if path.startswith(PEFT_PREFIX)]  # `plain` took the other
    for path in _not_among(twice, config.get("target_modules")):
        for name in factors[path].values():
            yield name, _INNER


def _not_among(paths: Iterable[str], targets: object) -> Iterator[str]:
    if isinstance(targets, str) and targets != "all-linear":
        matches = expression(targets, "(", ")$", Budget()).matches
        yield from (path for path in paths if not matches(path))
    elif isinstance(targets, list):
        yield from (
            path for path in paths if not any(f".{path}".endswith(f".{one}") for one in targets)
        )
