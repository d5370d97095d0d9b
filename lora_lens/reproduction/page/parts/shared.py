"""The page's part about the paper's question, asked so that it can be answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ....chance.significance import LEVEL
from ....show.layout import Table
from ....show.wording import listed
from ...experiment.config import Config
from ...numbers.shares import Share, predicted_shares, too_few_flips
from ...runs.collect import Found
from ..missed import missed
from ..sheet import shown


def shared_part(config: Config, found: Found, tables: Mapping[str, Table]) -> Iterator[str]:
    """What is shared beyond where factors lie on their own W0, module by module, and how much of it could be missed."""
    shares = predicted_shares(found.analyses, config.analysis.modules)
    yield "\n".join(f"- {text}" for text in _said(config, shares))
    yield shown(tables["shared"])
    yield (
        "Adapters are counted, and what would have been seen is reckoned, by Holm's correction over all of LoRA's rows; layers by themselves, by p of the upper tail, by that over the layers "
        "of one factor of one run. `lora-lens shared`, asked of one adapter, corrects over its own factors, and layers over both: it sees smaller excesses, "
        "and names fewer layers."
    )
    yield (
        "No W0 is inverted here, so that a shared part is seen where the rest is noise (`benchmarks/power.py` prints from which share on). "
        "A share beyond flips says: not explained by where factors lie on their own W0's singular directions. It does not say that one θ "
        "would do for training."
    )


def _said(config: Config, shares: Sequence[Share]) -> Iterator[str]:
    too_few = too_few_flips(shares)
    for module in config.analysis.modules:
        for matrix in ("A", "B"):
            rows = [
                one
                for one in shares
                if (one.module, one.matrix, one.method) == (module, matrix, "lora")
            ]
            if rows:
                yield f"**{module}, {matrix}**: {_of_lora(rows, too_few)}."
    whole = [one for one in shares if one.method == "condlora"]
    if whole:
        ends = sorted({f"{one.share:.4f}" for one in whole})
        yield f"**CondLoRA**: {' to '.join(ends[:: max(len(ends) - 1, 1)])} of every factor, as one θ made them."


def _of_lora(rows: Sequence[Share], too_few: str) -> str:
    share, flipped = (
        float(np.mean([getattr(one, name) for one in rows])) for name in ("share", "flipped")
    )
    above = [one for one in rows if one.beyond]
    below = [one for one in rows if one.p_holm <= LEVEL and one.share < one.flipped]
    said = f"the other layers' θ predicts {share:.3f} of LoRA's factor on average, where flips give {flipped:.3f}; "
    if too_few:
        return f"{said}{too_few}"
    said += f"it is beyond them in {len(above)} of {len(rows)} adapters"
    if below:
        said += f" and below them in {len(below)}"
    if above:
        alone = sorted({layer for one in above for layer in one.layers})
        said += f", by themselves in {_layers(alone)}" if alone else ", in no layer by itself"
    return f"{said}; {seen}" if (seen := missed(rows)) else said


def _layers(layers: Sequence[int]) -> str:
    return f"layer{'s' if len(layers) > 1 else ''} {listed([str(one) for one in layers])}"
