"""What a trained adapter's layers share, over training and from one adapter to another: python benchmarks/course.py BASE.

Asked forwards, as `lora-lens shared` asks: the share of a layer's factor that the θ fitted to the other layers predicts
(--adapters NAME=FOLDER …), and what θ of one adapter predicts of another's layers, its own layer l left out
(--pairs ONE:OTHER, names among the adapters'; --only-paired NAME=FOLDER for those that are asked in pairs alone). Each is
beside flips of the factors on their own W0's singular directions. The row "untrained" has LoRA's A as it is drawn, and a uniform B, as LoRA's own is 0.
With --out rows are kept as they come, so that a run that was stopped goes on; --print prints them again.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from page_table import table
from torch import Tensor

import lora_lens as ll
from lora_lens.adapter import ModuleFactors
from lora_lens.chance.draws import initial_factors
from lora_lens.chance.p_values import holm
from lora_lens.questions.shared.asked import asked
from lora_lens.questions.shared.predicted import Predicted
from lora_lens.questions.shared.prediction import carry_over, predict
from lora_lens.questions.shared.terms import Terms
from lora_lens.subspaces.device import select_device
from lora_lens.subspaces.untrained import untrained_factors
from lora_lens.subspaces.w0_and_bases import stacked_w0

UNTRAINED, LEVEL = "untrained", 0.05
FACTORS: tuple[Any, ...] = ("A", "B")


def main() -> None:
    """Ask, keep, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", nargs="?")
    parser.add_argument("--name", help="what the page calls the base")
    parser.add_argument("--modules", nargs="*", default=("q", "v"))
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--draws", type=int, default=199)
    parser.add_argument("--adapters", nargs="*", default=(), metavar="NAME=FOLDER")
    parser.add_argument("--only-paired", nargs="*", default=(), metavar="NAME=FOLDER")
    parser.add_argument("--pairs", nargs="*", default=(), metavar="ONE:OTHER")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--print", action="store_true")
    given = parser.parse_args()
    record: dict[str, Any] = {
        "base": given.name or given.base,
        "rank": given.rank,
        "draws": given.draws,
        "shares": {},
        "carried": {},
    }
    if given.out.exists():
        record = json.loads(given.out.read_text(encoding="utf-8"))
    if not given.print:
        for module in given.modules:
            for kind, name, one in of_module(given, module, record):
                rows = record[kind].setdefault(name, {}).setdefault(module, {})
                rows.update({matrix: row(found) for matrix, found in one.items()})
                given.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print("\n".join(page(record)))


def of_module(
    given: argparse.Namespace, module: str, record: dict[str, Any]
) -> Iterator[tuple[str, str, dict[str, Predicted]]]:
    """What is not in the record yet: kind, name, and an answer for each factor."""
    base, where = ll.open_base(given.base), select_device("auto", "float64")
    generator = torch.Generator().manual_seed(0)
    bare = untrained_factors(base, module, given.rank, generator=generator)
    w0, cutoffs = stacked_w0(bare, base, where)
    named = dict(one.split("=", 1) for one in given.adapters)
    paired = dict(one.split("=", 1) for one in given.only_paired)
    terms = Terms(given.rank, given.rank, given.draws, tests=len(FACTORS))

    def opened(name: str) -> ModuleFactors:
        if name == UNTRAINED:
            return replace(bare, a=initial(bare, given.rank, generator))
        folder = (named | paired)[name]
        factors: ModuleFactors = ll.load_adapter(folder, base=given.base).modules[module]
        return factors

    for name in (UNTRAINED, *named):
        if module not in record["shares"].get(name, {}):
            of = asked(opened(name), w0, cutoffs=cutoffs)
            yield (
                "shares",
                name,
                {matrix: predict(of, matrix, terms) for matrix in FACTORS},
            )
    for pair in given.pairs:
        if module not in record["carried"].get(pair, {}):
            one, other = (asked(opened(name), w0, cutoffs=cutoffs) for name in pair.split(":"))
            yield (
                "carried",
                pair,
                {matrix: carry_over(one, other, matrix, terms) for matrix in FACTORS},
            )


def initial(bare: ModuleFactors, rank: int, generator: torch.Generator) -> Tensor:
    """A of every layer as LoRA draws it."""
    return initial_factors(len(bare.layers), rank, bare.in_features, generator)


def row(found: Predicted) -> dict[str, Any]:
    """What the page says of one factor."""
    flipped = found.nulls["flipped"]
    return {
        "share": found.mean,
        "by_layer": found.share.tolist(),
        "chance": found.chance,
        "flips": flipped.mean,
        "sd": flipped.sd,
        "z": flipped.z,
        "p": flipped.p_two_sided,
        "detectable": found.detectable,
        # Over the layers of this factor alone, as the page says.
        "layers": [
            layer for layer, p in zip(found.layers, found.p_holm, strict=True) if p <= LEVEL
        ],
    }


def page(record: dict[str, Any]) -> Iterator[str]:
    """Markdown: a row an adapter, and a row a kind of pair."""
    heads = ["module, factor", "adapter", "share, %", "flips, %", "z", "p", "layers by themselves"]
    rows = [
        [f"{module}, {matrix}", name, *cells(found[module][matrix])]
        for module, matrix in factors(record["shares"])
        for name, found in record["shares"].items()
        if module in found
    ]
    yield from table(heads, rows, "llrrrrl")
    yield ""
    if record["carried"]:
        yield from carried(record["carried"])


def factors(rows: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Modules and factors, in the record's order."""
    return itertools.product(
        dict.fromkeys(module for modules in rows.values() for module in modules), FACTORS
    )


def cells(one: dict[str, Any]) -> list[str]:
    """What a row says of one factor."""
    layers = ", ".join(map(str, one["layers"])) or "none"
    share, flips, sd = (f"{100 * one[key]:.2f}" for key in ("share", "flips", "sd"))
    return [
        share,
        f"{flips} ± {sd}",
        f"{one['z']:+.1f}".replace("-", "−"),
        f"{one['p']:.3f}",
        layers,
    ]


def carried(pairs: dict[str, Any]) -> Iterator[str]:
    """A row a factor and kind of pair: from which method to which, on one task or between two."""
    heads = ["module, factor", "θ of, asked of", "share, %", "flips, %", "would be seen, %"]
    heads += ["beyond flips", "layers by themselves"]
    kinds: dict[str, list[str]] = {}
    for pair in pairs:
        kinds.setdefault(kind(pair), []).append(pair)
    rows = [
        [f"{module}, {matrix}", of, *ends([pairs[pair][module] for pair in alike], matrix)]
        for module, matrix in factors(pairs)
        for of, alike in sorted(kinds.items())
    ]
    yield from table(heads, rows, "llrrrrr")
    yield ""


# A head is drawn first: of one method, one seed and as many labels, runs begin at the same A, or θ.
LABELS = {"STS-B": 1, "MRPC": 2, "CoLA": 2}


def kind(pair: str) -> str:
    """From method to method, with the same task or another.

    >>> kind("STS-B CondLoRA 0:MRPC LoRA 0"), kind("MRPC LoRA 0:CoLA LoRA 0")
    ('CondLoRA, LoRA; other tasks', 'LoRA, LoRA; other tasks, one start')
    """
    (task, *own), (its_task, *its) = (name.split() for name in pair.split(":"))
    tasks = "one task" if task == its_task else "other tasks"
    start = ", one start" * (own == its and LABELS[task] == LABELS[its_task])
    return f"{own[0]}, {its[0]}; {tasks}{start}"


def ends(told: list[dict[str, Any]], matrix: str) -> list[str]:
    """The least and the most of these pairs, and in how many there is more than flips have."""
    rows = [one[matrix] for one in told]
    percents = (
        [f"{100 * value:.1f}" for value in sorted(row[key] for row in rows)]
        for key in ("share", "flips", "detectable")
    )
    layers = [str(count) for count in sorted(len(row["layers"]) for row in rows)]
    return [
        *map(span, percents),
        f"{sum(beyond(one, matrix) for one in told)} of {len(told)}",
        span(layers),
    ]


def span(texts: list[str]) -> str:
    """The first and the last, or the one that both are."""
    return " to ".join(dict.fromkeys((texts[0], texts[-1])))


def beyond(module: dict[str, Any], matrix: str) -> bool:
    """Whether the share is above flips by the verdict's own rule: p by Holm's method over A and B."""
    corrected = dict(
        zip(FACTORS, holm(np.array([module[one]["p"] for one in FACTORS])), strict=True)
    )
    return bool(corrected[matrix] <= LEVEL and module[matrix]["z"] > 0)


if __name__ == "__main__":
    main()
