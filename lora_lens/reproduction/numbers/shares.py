"""What the layers of the trained adapters share, asked forwards: every adapter's predicted shares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...chance.detectable import detectable_deviations
from ...chance.p_values import fewest_draws, holm
from ...chance.significance import LEVEL
from ...labelled import Row, plain
from ...show.wording import ONE
from .analysis_records import Analyses


@dataclass(frozen=True)
class Share:
    """One factor of one adapter's module.

    Attributes:
        task, seed, method, module, matrix: Which.
        share: The mean predicted share over the layers.
        flipped, flipped_sd: Mean and deviation of it where each factor is flipped on its own W0's singular
            directions.
        draws: How many flips.
        p, p_holm: Two-sided, against these; `p_holm` corrected over all of LoRA's rows.
        detectable: The excess over flips that is found in 80 of 100 cases at the level of as many rows; NaN
            where so many draws can find nothing.
        chance: Of a uniform factor: k/out, k/in.
        layers: Those that are found by themselves (Holm over the layers of this factor; `lora-lens shared` corrects
            over its factors too).
        of: How many layers there are.
        carried, carried_p: What θ of this adapter predicts of the other method's, its layers left out in
            turn, and p against flips of those; NaN without one.
    """

    task: str
    seed: int
    method: str
    module: str
    matrix: str
    share: float
    flipped: float
    flipped_sd: float
    draws: int
    p: float
    p_holm: float
    detectable: float
    chance: float
    layers: tuple[int, ...]
    of: int
    carried: float
    carried_p: float

    @property
    def whole(self) -> bool:
        """Whether one layer gives all of it, as in CondLoRA, of which nothing is left to test."""
        return self.share > ONE

    @property
    def beyond(self) -> bool:
        """Whether it is above flips, corrected over all rows."""
        return self.p_holm <= LEVEL and self.share > self.flipped

    def row(self) -> Row:
        """For CSV and JSON."""
        numbers = {
            key: plain(one) if isinstance(one, float) else one for key, one in vars(self).items()
        }
        return numbers | {"layers": " ".join(map(str, self.layers))}


def predicted_shares(analyses: Analyses, modules: Sequence[str]) -> list[Share]:
    """A row a task, seed, method, module and matrix; none of records from before they were asked so."""
    found = list(_shares(analyses, modules))
    tested = [k for k, one in enumerate(found) if one.method == "lora"]
    corrected = holm(np.array([found[k].p for k in tested]))
    for k, p in zip(tested, corrected.tolist(), strict=True):
        far = detectable_deviations(LEVEL / len(tested), found[k].draws)
        excess = math.nan if far is None else far * found[k].flipped_sd
        found[k] = replace(found[k], p_holm=p, detectable=excess)
    return found


def too_few_flips(shares: Sequence[Share]) -> str:
    """That so few flips could find nothing in so many rows; nothing where they could."""
    tested = [one for one in shares if one.method == "lora"]
    if not any(math.isnan(one.detectable) and not one.whole for one in tested):
        return ""
    needed = fewest_draws(LEVEL, tests=len(tested))
    return (
        f"{min(one.draws for one in tested):,} flips are too few to find any of {len(tested)} factors ({needed:,} are needed: "
        f"`shared_draws`)"
    )


def _shares(analyses: Analyses, modules: Sequence[str]) -> Iterator[Share]:
    for task, seeds in analyses.items():
        for seed, record in seeds.items():
            for module in modules:
                for method, one in record[module].get("shared", {}).items():
                    for matrix in ("A", "B"):
                        if _is_given(one[matrix]["predicted"]):
                            continue
                        yield _share(task, seed, method, module, matrix, one)


def _share(
    task: str, seed: int, method: str, module: str, matrix: str, record: Mapping[str, Any]
) -> Share:
    one, carried = record[matrix]["predicted"], record[matrix].get("carried")
    carried = None if carried is None or _is_given(carried) else carried
    flipped = one["nulls"]["flipped"]
    alone = zip(record["layers"], one["layers"]["p_holm"], one["share"], strict=True)
    return Share(
        task=task,
        seed=seed,
        method=method,
        module=module,
        matrix=matrix,
        share=one["mean"],
        flipped=flipped["mean"],
        flipped_sd=flipped["sd"],
        draws=flipped["draws"],
        p=flipped["p_two_sided"],
        p_holm=math.nan,
        detectable=math.nan,
        chance=one["chance"],
        layers=tuple(layer for layer, p, _ in alone if p <= LEVEL),
        of=len(record["layers"]),
        carried=_number(None if carried is None else carried["mean"]),
        carried_p=_number(None if carried is None else carried["nulls"]["flipped"]["p_two_sided"]),
    )


def _is_given(predicted: Mapping[str, Any]) -> bool:
    """Whether it is not tested: no θ is determined, or its share is what it has to be."""
    return bool(predicted.get("trivial") or predicted.get("whole"))


def _number(value: float | None) -> float:
    return math.nan if value is None else value
