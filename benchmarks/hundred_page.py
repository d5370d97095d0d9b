"""docs/hundred.md from the record that `hundred.py survey` leaves: python benchmarks/hundred.py page."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import numpy as np
from hundred import COMPARED, KS, RANKS, ROWS, SIDES, TASKS
from page_table import table

from lora_lens.chance.p_values import holm

PAIRED = {  # what two adapters have in common: whether task, whether seed
    "same task, other seed": (True, False),
    "other task, same seed": (False, True),
    "other task, other seed": (False, False),
}


def page(record: dict[str, Any]) -> str:
    """docs/hundred.md, all of it."""
    parts = (
        _trained(record),
        _universal(record),
        _alike(record),
        _crossed(record),
        _beside_w0(record),
    )
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def _trained(record: dict[str, Any]) -> Iterator[str]:
    trained = record["trained"]
    learnt = [one for one in trained if one["score"] >= one["majority"] + record["margin"]]
    yield "# A hundred adapters of one base\n"
    yield (
        f"What `survey` says of {len(trained)} adapters that were trained for it: LoRA on query and value of all-MiniLM-L6-v2, "
        f"{ROWS['train']} rows of each of {len(TASKS)} tasks of GLUE, two epochs, ranks {', '.join(map(str, RANKS))}, "
        f"{len({one['seed'] for one in trained})} seeds. A seed is of A's start, so that runs of one seed and rank begin with one A. "
        f"Small runs on a small base: what is seen here is seen of these.\n"
    )
    yield (
        "`python benchmarks/hundred.py train --glue DIR --out DIR` trains them, `python benchmarks/hundred.py survey "
        "--out DIR` makes docs/hundred/record.json, and `python benchmarks/hundred.py page` this page.\n"
    )
    yield (
        f"Only those count that have learnt, by at least {record['margin']:g} above the score of a constant answer, on test rows: "
        f"{len(learnt)} of {len(trained)}.\n"
    )
    rows = []
    for task in TASKS:
        every = [one for one in trained if one["task"] == task.name]
        good = [one["score"] for one in every if one in learnt]
        middle = f"{statistics.median(good):.3f}" if good else "–"
        constant = f"{every[0]['majority']:.3f}"
        rows.append(
            [task.name, every[0]["metric"], constant, f"{len(good)} of {len(every)}", middle]
        )
    heads = ["task", "metric", "constant answer", "learnt, of all", "median score of those"]
    yield from table(heads, rows, "llrrr")
    yield ""


def _universal(record: dict[str, Any]) -> Iterator[str]:
    yield "## Is there a universal subspace?\n"
    yield (
        "The share of ΔW, each scaled to norm 1, that k directions hold, mean over the places; on the right of ΔW, its input, and on the left. `shared` are the "
        "best k of one half of the adapters, asked about the other half; both halves have adapters of every task. `other tasks` are the best k of all other "
        "tasks, asked about one: no adapter of that task has helped to find them. `random` is what the best k hold of adapters that share nothing, where "
        "they were fitted.\n"
    )
    heads = {
        "every": "All that have learnt",
        "apart": "One task of each seed and rank, so that no two began with one A",
    }
    for name, head in heads.items():
        held = _held(record[name])
        of_others = {
            (row["side"], row["k"]): row["share"] for row in record[name]["of other tasks"]
        }
        rows = []
        for side in SIDES:
            for k in KS:
                left_out = [
                    f"{held[side, each, k]['left_out']:.3f}" if (side, each, k) in held else "–"
                    for each in ("shared", "mean adapter", "shared beside the mean", "start")
                ]
                chance, fitted = (
                    held[side, "random adapters", k][of] for of in ("chance", "fitted")
                )
                rows.append(
                    [
                        side,
                        k,
                        f"{chance:.3f}",
                        *left_out,
                        f"{of_others[side, k]:.3f}",
                        f"{fitted:.3f}",
                    ]
                )
        yield f"{head}: {record[name]['count']}.\n"
        yield from table(
            ["side", "k", "chance", "shared", "mean adapter", "beside the mean", "start", "other tasks", "random, fitted"],
            rows,
        )  # fmt: skip
        yield ""


def _held(found: dict[str, Any]) -> dict[tuple[str, str, int], dict[str, Any]]:
    return {(row["side"], row["directions"], row["k"]): row for row in found["subspace"]}


def _alike(record: dict[str, Any]) -> Iterator[str]:
    yield "## Alike by their start, or by what they learnt?\n"
    yield "φ of two adapters of one rank, mean over the places and over all such pairs; unrelated ones in brackets.\n"
    found = _by_what_is_common(record)

    def cell(matrix: str, rank: int, same: tuple[bool, bool]) -> str:
        row = found.get((matrix, rank, *same))
        return "–" if row is None else f"{row['mean']:.3f} ({row['gaussian']:.3f})"

    yield from table(
        ["matrix", "rank", *PAIRED],
        [
            [matrix, rank, *(cell(matrix, rank, same) for same in PAIRED.values())]
            for matrix in ("A", "B")
            for rank in RANKS
        ],
    )
    yield ""


def _by_what_is_common(record: dict[str, Any]) -> dict[tuple[str, int, bool, bool], dict[str, Any]]:
    """Rows by matrix, rank, and whether task and seed are the same."""
    return {
        (row["matrix"], row["rank"], row["same_task"], row["same_seed"]): row
        for row in record["groups"]
    }


def _crossed(record: dict[str, Any]) -> Iterator[str]:
    yield "## Before a merge\n"
    found = _by_what_is_common(record)

    def cell(rank: int, same: tuple[bool, bool]) -> str:
        row = found.get(("delta", rank, *same))
        return "–" if row is None else f"{row['mean']:+.4f}"

    yield "The cosine of two ΔW, ⟨ΔW₁, ΔW₂⟩/(‖ΔW₁‖‖ΔW₂‖), mean over the places; unrelated ones have 0 ± 0.003 at one place.\n"
    yield from table(
        ["rank", *PAIRED],
        [[rank, *(cell(rank, same) for same in PAIRED.values())] for rank in RANKS],
        "rrrr",
    )
    yield (
        f"\nIn the sum of all {record['every']['count']} the cross terms are {record['every']['cross_energy']:+.2f} of the parts' energy, of the "
        f"{record['apart']['count']} that began apart {record['apart']['cross_energy']:+.2f}; of unrelated ones 0.\n"
    )


def _beside_w0(record: dict[str, Any]) -> Iterator[str]:
    yield "## What W0 explains of it\n"
    yield (
        "None of the nulls above knows W0, and adapters that lie along the same W0's leading directions are alike beyond all of them with nothing "
        "learnt in common. `compare` has a null that keeps where both lie on W0's own singular directions (`flipped`). Value, "
        f"rank {COMPARED}, two seeds of every two tasks; p by Holm over all rows.\n"
    )
    rows = record["compared"]
    corrected = holm(np.array([row["p"] for row in rows]))
    yield from table(
        ["one", "other", "matrix", "φ", "unrelated", "flipped", "p"],
        [
            [row["one"], row["other"], row["matrix"], *(f"{row[of]:.3f}" for of in ("phi", "gaussian", "flipped")), f"{p:.3f}"]
            for row, p in zip(rows, corrected.tolist(), strict=True)
        ],
        "lllrrrr",
    )  # fmt: skip
    yield ""
