"""An adapter as it shows itself: in one line, and in Jupyter as a small table of its modules."""

from __future__ import annotations

import html
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .adapter import Adapter

_NAMED = 6  # modules in an adapter's line
_MOST_MODULES = 24  # in its table


def line(adapter: Adapter) -> str:
    """What it is; no factor is read for it."""
    left = (
        f"; {out} tensor{'s' * (out != 1)} left out (.left_out)"
        if (out := len(adapter.left_out))
        else ""
    )
    base = f", base {adapter.base_model}" if adapter.base_model else ""
    numbers = f"{adapter.trainable_parameters:,} parameters"
    if not adapter.modules:  # a model that was tuned in full
        return f"{adapter.title} {adapter.source}{base}; {_some(adapter.dense)} (.dense); {numbers}{left}"
    full = f"; {', '.join(adapter.dense)} trained in full (.dense)" if adapter.dense else ""
    return f"{adapter.title} adapter {adapter.source}{base}; {_some(adapter.modules)}; {numbers}{full}{left}"


def _some(modules: Collection[str]) -> str:
    names = list(modules)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def table(adapter: Adapter) -> str:
    """HTML of the line, and a row a module below it; of a model that was tuned in full, those that have a ΔW."""
    where = "modules" if adapter.modules else "dense"
    of = adapter if adapter.modules else replace(adapter, modules=adapter.dense)
    names = list(of.modules)
    rows = "".join(_row(of, name) for name in names[:_MOST_MODULES])
    rest = len(names) - _MOST_MODULES
    more = f"<p>and {rest} more: .{where}</p>" if rest > 0 else ""
    heads = "".join(f"<th>{head}</th>" for head in ("module", "layers", "rank", "out × in"))
    return f"<p><b>{html.escape(line(adapter))}</b></p><table><tr>{heads}</tr>{rows}</table>{more}"


def _row(adapter: Adapter, name: str) -> str:
    found = list(adapter.each_layer([name]))
    ranks = sorted({one.rank for one in found})
    shapes = sorted({(one.out_features, one.in_features) for one in found})
    spans = " to ".join(map(str, dict.fromkeys((ranks[0], ranks[-1]))))
    sizes = ", ".join(f"{out} × {into}" for out, into in shapes)
    cells = "".join(f"<td>{cell}</td>" for cell in (html.escape(name), len(found), spans, sizes))
    return f"<tr>{cells}</tr>"
