"""The page's parts about layers: Figure 1 and Table 3 with what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ....show.findings import seen_in_80
from ....show.layout import Table
from ...experiment.config import Config
from ...experiment.paper import TABLE_3, TABLE_3_GAUSSIAN, TASK_NAMES, VALUE_MODULES
from ...numbers.analysis_records import Analyses, answers
from ...numbers.conversions import LEVEL, taken_together
from ...numbers.figure1 import profile_likeness
from ...numbers.profile import likeness
from ...numbers.table3 import profile
from ...runs.collect import Found
from ..sheet import NOTHING, pictures, shown


def figure1_part(
    config: Config, found: Found, tables: Mapping[str, Table], figures: Sequence[str]
) -> Iterator[str]:
    """Conversions beside both nulls, module by module and layer by layer, and what the test cannot see."""
    for module in config.analysis.modules:
        name = f"figure1-similarity-{module}"
        yield from pictures(
            figures,
            {name: f"φ between the layers' conversions of {module}, beside both baselines"},
        )
    if "conversions" in tables:
        yield shown(tables["conversions"])
    for module in config.analysis.modules:
        yield _conversions_said(found.analyses, module)
        yield shown(tables[f"figure1-{module}"])
    yield (
        "φ of plain conversions is nearly blind: W0⁻¹ blows up whatever part of a factor is not shared, so that even "
        "a large shared part can leave no trace in it, and no verdict rests on it alone. `lora-lens shared ADAPTER` "
        "asks whether one θ serves all layers without inverting any W0. Every adapter's own numbers are in "
        "`tables/conversions-*.md`."
    )


def _conversions_said(analyses: Analyses, module: str) -> str:
    said = []
    for one in taken_together(analyses, module):
        alike = profile_likeness(analyses, module, one.matrix)
        said.append(
            f"**{module}, {one.matrix}**: mean φ {one.mean:.3f}, {one.mean / one.gaussian:.1f} times what unrelated "
            f"subspaces give; random factors through the same W0 give {one.propagated:.3f}. The excess over these is "
            f"{one.excess:+.3f} on average, and p is at most {LEVEL} in {one.found} of {one.adapters} adapters where "
            f"{LEVEL * one.adapters:.1f} are expected by chance; of one adapter {seen_in_80(f'{one.detectable:.3f}')}. "
            f"Over the layers the profile goes with that of random factors by "
            f"r = {alike[0]:.2f} to {alike[1]:.2f}."
        )
    return "\n".join(f"- {text}" for text in said).replace(" -0", " −0")


def table3_part(
    config: Config, found: Found, tables: Mapping[str, Table], figures: Sequence[str]
) -> Iterator[str]:
    """φ between the methods by layer, beside chance and the paper's."""
    if "condlora" not in config.methods:
        yield NOTHING
        return
    for module in config.analysis.modules:
        yield shown(tables[f"table3-{module}"])
        yield from pictures(
            figures, {f"table3-profile-{module}": f"φ(LoRA, CondLoRA) by layer, {module}"}
        )
        yield _table3_said(found.analyses, module)
    yield (
        "Nothing here goes through W0⁻¹, and unrelated subspaces are what the paper's table has beside it. They are no null to beat: "
        "factors along one W0, as CondLoRA's are made and LoRA's come to be, are above them with nothing learnt in common, so that "
        "z beside them is none of a verdict. `lora-lens compare` tests φ beside flips on W0's singular directions. p of a correlation takes the layers for independent; neighbours are often "
        "alike, so that two profiles that both rise with depth have a small p for that alone."
    )


def _table3_said(analyses: Analyses, module: str) -> str:
    profiles = {
        (task, matrix): profile(seeds, module, matrix)
        for task, seeds in analyses.items()
        for matrix in TABLE_3
    }
    first = next(answers(analyses, module, "comparison")).found
    gaussian = first["matrices"]["A"]["baseline"]["mean"]
    times = [float(one.mean()) / gaussian for one in profiles.values()]
    said = (
        f"For {module} LoRA's and CondLoRA's subspaces have {min(times):.1f} to {max(times):.1f} times the φ of unrelated ones, "
        "by task and matrix"
    )
    if module not in VALUE_MODULES:
        return said + "; the paper has no such table of this module."
    papers = [float(np.mean(values)) / TABLE_3_GAUSSIAN for values in TABLE_3.values()]
    said += f"; the paper's have {min(papers):.1f} to {max(papers):.1f} times."
    alike = [
        (TASK_NAMES[task], matrix, likeness(one, TABLE_3[matrix]))
        for (task, matrix), one in profiles.items()
    ]
    compared = [each for each in alike if not np.isnan(each[2].r)]
    if not compared:
        return (
            said
            + " The paper's twelve layers have no counterpart in this model's, so that the profiles are not compared."
        )
    small = [f"{task} {matrix}" for task, matrix, one in compared if one.p <= 0.05 / len(compared)]
    return said + (
        f" Over the layers ours go with the paper's by r = {min(one.r for *_, one in compared):.2f} to "
        f"{max(one.r for *_, one in compared):.2f}; after Bonferroni's correction for {len(compared)} "
        f"that is told from 0 for {', '.join(small) if small else 'none'}."
    )
