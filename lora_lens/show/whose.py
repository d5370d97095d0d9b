"""Which adapters an answer is of, and of which base: a figure's footer, and the line above tables on the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .elided import elided
from .layout import called, called_apart


def whose(adapters: Mapping[str, str], base: str | None = None) -> str:
    """What the adapters of a figure are called, each after its label, and their base; long names without their middle.

    Args:
        adapters: Label to where the adapter is from; one without a label is on its base, two have a label each.
        base: Of all of them, where it is known and one.

    Example:
        >>> whose({"": "/runs/stsb-lora-0"}, "org/base")
        'stsb-lora-0 on org/base'
        >>> whose({"first": "one/lora", "second": "other/lora"}, "org/base")
        'first: one/lora; second: other/lora; base: org/base'
    """
    sources = list(adapters.values())
    names = elided(called_apart(*sources) if len(sources) == 2 else list(map(called, sources)))
    told = [
        f"{label}: {name}" if label else name for label, name in zip(adapters, names, strict=True)
    ]
    if base is None:
        return "; ".join(told)
    (on,) = elided([called(base)])
    return f"{told[0]} on {on}" if "" in adapters else "; ".join([*told, f"base: {on}"])


def headed(adapter: str, base: str | None, method: str = "") -> str:
    """What an adapter is called, on which base; its method where the name does not say it.

    Args:
        adapter: Where it is from.
        base: Where its base is from, if that is known.
        method: Of the adapter, if that is known.

    Example:
        >>> headed("/runs/stsb-lora-0", "org/base", "lora")
        'stsb-lora-0 on org/base'
        >>> headed("/runs/seed-0", None, "lora")
        'seed-0 (lora)'
    """
    name = called(adapter)
    said = not method or method.lower() in re.split(r"[\W_]+", name.lower())
    on = f" on {called(base)}" if base else ""
    return f"{name}{'' if said else f' ({method})'}{on}"
