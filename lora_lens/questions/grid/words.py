"""What is seen in φ(i, j)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ...chance.verdict import Trial
from ...core.similarity.phi_by_chance import least_beside
from ...show.findings import PHI, Claim, Finding, told
from ...show.layout import number, sided
from ...show.wording import listed, span
from .result import RankGrids


def claims(result: RankGrids) -> list[Claim]:
    """φ of ΔW's whole subspaces and W0's leading ones, mean over the layers, against unrelated ones.

    None of a side on which the layers of both lie alike, as of one A for all of them.

    Of two adapters there are none: both may lie along the same W0's leading directions. `compare` tests them.
    """
    return list(_claims(result)) if result.between == "w0-delta" else []


def _claims(result: RankGrids) -> Iterator[Claim]:
    cut = _taken(result)
    whole = "" if cut else "whole "
    for kind, baseline in result.baselines.items():
        if kind in result.together:
            continue
        values = np.array([grid.values[-1, -1] for grid in result.of(*kind)])
        test = result.significance[kind].of_mean
        if not np.isfinite([test.z, test.p_two_sided]).all():
            continue
        value, draws = float(values.mean()), baseline.draws or 0
        floors = [
            least_beside(float(of.gaussian_mean[-1, -1]), *of.shape) for of in result.of(*kind)
        ]
        floor = float(np.mean(floors))
        trial = Trial(value, test.mean, test.sd, test.p_two_sided, draws, floor=floor)
        about = f"{whole}subspaces of {name(result, *kind)} alike{cut} (mean φ over the layers)"
        yield Claim(about, name(result, *kind), PHI, "gaussian", trial)


def name(result: RankGrids, matrix: str, side: str) -> str:
    """Whose subspaces: ``A (right)``."""
    return f"W0 and ΔW ({side})" if result.between == "w0-delta" else sided(matrix, side)


def _taken(result: RankGrids) -> str:
    """Of W0, and of what was trained in full, the leading directions are compared, 64 or as many as were asked for; nothing where that is all of them."""
    if not (_is_cut(result, 0) or _is_cut(result, 1)):
        return ""
    whose = ("W0's", "ΔW's") if result.between == "w0-delta" else ("the first's", "the second's")
    first, second = (_leading(result, k) for k in (0, 1))
    if not first:
        return f", all of {whose[0]} directions and {whose[1]} {second}"
    return f", {whose[0]} {first} directions and " + (
        f"{whose[1]} {second}" if second else f"all of {whose[1]}"
    )


def _is_cut(result: RankGrids, axis: int) -> bool:
    return any(grid.shape[axis] < grid.full[axis] for grid in result)


def _leading(result: RankGrids, axis: int) -> str:
    """How many of how many are taken; empty where all are."""
    if not _is_cut(result, axis):
        return ""
    counts = ([of[axis] for of in some] for some in _sizes(result))
    taken, rank = (span(str(min(some)), str(max(some))) for some in counts)
    return f"leading {taken} of {rank}"


def _sizes(result: RankGrids) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    return [grid.shape for grid in result], [grid.full for grid in result]


def summary(result: RankGrids, findings: Sequence[Finding]) -> str:
    """φ of the top directions and of the largest subspaces, beside unrelated ones."""
    of = " in the mean over the layers" if len(result.layers) > 1 else ""
    text = f"{result.module}: φ(1, 1), of the top directions alone, is{of} {_each(result, 0)}"
    cut = _taken(result)
    if findings:
        return f"{text}; {_told(result, findings)}."
    which = f"subspaces{cut}," if cut else "whole subspaces"
    wholes = f"{text}, and φ of the {which} {_each(result, -1)}"
    if result.between == "w0-delta":
        why = ", for the layers of both lie alike" if result.together else ""
        return f"{wholes}; nothing was tested{why}."
    chance = [grid.gaussian_mean[-1, -1] for grid in result.grids]
    unrelated = span(number(min(chance)), number(max(chance)))
    return (
        f"{wholes}, where unrelated ones have {unrelated}; this is no test (`compare` is): two adapters "
        f"that lie along the same W0's leading singular directions are above that anyway."
    )


def _told(result: RankGrids, findings: Sequence[Finding]) -> str:
    """Of W0's leading directions, as many as ΔW's or more, φ is what they hold of ΔW's; else how alike both are."""
    cut = _taken(result)
    if not cut or _is_cut(result, 1) or any(grid.shape[0] < grid.shape[1] for grid in result):
        which = f"the subspaces of {{names}}{cut}," if cut else "the whole subspaces of {names}"
        return told((findings, f"{which} are {{degree}} alike than unrelated ones would be"))
    by_name = {name(result, *kind): kind[1] for kind in result.kinds}
    able = [
        replace(one, claim=replace(one.claim, label=by_name[one.label]))
        for one in findings
        if not one.hopeless
    ]
    leading = cut.removeprefix(", ").removesuffix(" and all of ΔW's")
    pattern = f"{{names}}: {leading} hold {{degree}} of ΔW's than of an unrelated subspace"
    return told((able, pattern), ([one for one in findings if one.hopeless], pattern))


def _each(result: RankGrids, corner: int) -> str:
    """φ of every kind in one corner of its grids; of W0 and ΔW, which it is always, the side is enough."""
    return listed(
        [
            f"{number(_mean(result, kind, corner))} "
            f"{f'({kind[1]})' if result.between == 'w0-delta' else f'for {name(result, *kind)}'}"
            for kind in result.kinds
        ]
    )


def details(result: RankGrids) -> str:
    """φ of the top directions and of the largest subspaces, means over the layers, beside chance."""
    parts = []
    cut = _taken(result)
    which = "largest" if cut else "whole"
    for matrix, side in result.kinds:
        grids = result.of(matrix, side)
        chance_top, chance = (
            float(np.mean([g.gaussian_mean[k, k] for g in grids])) for k in (0, -1)
        )
        share = f"φ(1, 1) is {number(_mean(result, (matrix, side), 0))} (by chance {number(chance_top)})"
        angle = (
            math.nan if not len(grids[0].angles) else float(np.mean([g.angles[0] for g in grids]))
        )
        parts.append(
            f"{sided(matrix, side)}: {share}, over the {which} subspaces "
            f"{number(_mean(result, (matrix, side), -1))} ({number(chance)}), smallest angle {angle:.0f}°"
        )
    return f"Mean over the layers{cut}. {'; '.join(parts)}."


def _mean(result: RankGrids, kind: tuple[str, str], corner: int) -> float:
    return float(np.mean([g.values[corner, corner] for g in result.of(*kind)]))
