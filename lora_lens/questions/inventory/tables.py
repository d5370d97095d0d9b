"""What is in an adapter, as text."""

from __future__ import annotations

from ...show.delta_named import equation, ranks_of, symbol
from ...show.layout import Table, called, layer_number, number, significant
from ...show.many_rows import condensed
from ...show.paper import ENDINGS
from .result import Inventory

SOMETIMES = ENDINGS
_MOST = 6  # tensors that are left out for one reason


def tables(result: Inventory) -> list[Table]:
    """The modules, those trained in full where there are any, and what was left out where something was."""
    found = [condensed(module_table(result))] if result.modules else []
    found += [dense_table(result)] if result.dense else []
    found += [left_out_table(result)] if result.left_out else []
    return [found[0].under(called(result.adapter)), *found[1:]] if found else []


def legend(result: Inventory) -> list[str]:
    """What the columns mean."""
    if not result.modules:
        return ["parameters: of the matrices that have a ΔW"]
    return [
        ranks_of(_named(result)),
        "parameters: of the low-rank part",
    ]


def module_table(result: Inventory) -> Table:
    """A row a module and layer."""
    matrices = [s.matrix for s in result.modules]
    several = len(set(matrices)) > 1
    head = [
        "layer", "module", *["of"][:several], "rank", "in", "out", "scaling", f"‖{_named(result)}‖_F", "stable rank",
        "effective rank (s)",
    ]  # fmt: skip
    rows = [
        [
            layer_number(s.layer), s.module, *[s.matrix][:several], str(s.rank), str(s.in_features),
            str(s.out_features), significant(s.scaling, zeros=False), significant(s.frobenius_norm),
            number(s.stable_rank, 2), number(s.effective_rank, 2),
        ]
        for s in result.modules
    ]  # fmt: skip
    return Table(f"{equation(matrices)}, layer by layer", head, rows)


def _named(result: Inventory) -> str:
    return symbol(s.matrix for s in result.modules)


def dense_table(result: Inventory) -> Table:
    """Modules that were trained in full, and the size of their ΔW."""
    rows = [
        [layer_number(one.layer), one.module, str(one.in_features), str(one.out_features), one.name]
        for one in result.dense
    ]
    title = "Trained in full: ΔW is what was saved less W0"
    return Table(title, ["layer", "module", "in", "out", "path"], rows)


def left_out_table(result: Inventory) -> Table:
    """Tensors of the file that are not analysed, and why: of one reason the first, and how many more."""
    names: dict[str, list[str]] = {}
    for name, why in result.left_out.items():
        names.setdefault(why, []).append(name)
    rows = [[name, why] for why, every in names.items() for name in _few(every)]
    return Table("Left out", ["tensor", "why"], rows)


def _few(names: list[str]) -> list[str]:
    more = len(names) - _MOST
    return names if more <= 1 else [*names[:_MOST], f"and {more} more"]
