"""docs/hundred.md from the record that `hundred.py survey` leaves: python benchmarks/hundred.py page."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from hundred import COMPARED, KS, RANKS, ROWS, SIDES, TASKS


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
    yield "| task | metric | constant answer | learnt, of all | median score of those |"
    yield "| --- | --- | ---: | ---: | ---: |"
    for task in TASKS:
        every = [one for one in trained if one["task"] == task.name]
        good = sorted(one["score"] for one in every if one in learnt)
        middle = f"{statistics.median(good):.3f}" if good else "–"
        yield (
            f"| {task.name} | {every[0]['metric']} | {every[0]['majority']:.3f} | {len(good)} of {len(every)} | {middle} |"
        )
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
        yield f"{head}: {record[name]['count']}.\n"
        yield "| side | k | chance | shared | mean adapter | beside the mean | start | other tasks | random, fitted |"
        yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
        for side in SIDES:
            for k in KS:
                left_out = [
                    f"{held[side, each, k]['left_out']:.3f}" if (side, each, k) in held else "–"
                    for each in ("shared", "mean adapter", "shared beside the mean", "start")
                ]
                random_ones = held[side, "random adapters", k]
                yield (
                    f"| {side} | {k} | {random_ones['chance']:.3f} | {' | '.join(left_out)} | "
                    f"{of_others[side, k]:.3f} | {random_ones['fitted']:.3f} |"
                )
        yield ""


def _held(found: dict[str, Any]) -> dict[tuple[str, str, int], dict[str, Any]]:
    return {(row["side"], row["directions"], row["k"]): row for row in found["subspace"]}


def _alike(record: dict[str, Any]) -> Iterator[str]:
    yield "## Alike by their start, or by what they learnt?\n"
    yield "φ of two adapters of one rank, mean over the places and over all such pairs; unrelated ones in brackets.\n"
    yield "| matrix | rank | same task, other seed | other task, same seed | other task, other seed |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    rows = {
        (row["matrix"], row["rank"], row["same_task"], row["same_seed"]): row
        for row in record["groups"]
    }
    for matrix in ("A", "B"):
        for rank in RANKS:
            cells = []
            for same in ((True, False), (False, True), (False, False)):
                row = rows.get((matrix, rank, *same))
                cells.append("–" if row is None else f"{row['mean']:.3f} ({row['gaussian']:.3f})")
            yield f"| {matrix} | {rank} | {' | '.join(cells)} |"
    yield ""


def _crossed(record: dict[str, Any]) -> Iterator[str]:
    yield "## Before a merge\n"
    rows = [row for row in record["groups"] if row["matrix"] == "delta"]
    yield "The cosine of two ΔW, ⟨ΔW₁, ΔW₂⟩/(‖ΔW₁‖‖ΔW₂‖), mean over the places; unrelated ones have 0 ± 0.003 at one place.\n"
    yield "| rank | same task, other seed | other task, same seed | other task, other seed |"
    yield "| ---: | ---: | ---: | ---: |"
    for rank in RANKS:
        cells = []
        for same in ((True, False), (False, True), (False, False)):
            found = [
                row
                for row in rows
                if (row["rank"], row["same_task"], row["same_seed"]) == (rank, *same)
            ]
            cells.append(f"{found[0]['mean']:+.4f}" if found else "–")
        yield f"| {rank} | {' | '.join(cells)} |"
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
    yield "| one | other | matrix | φ | unrelated | flipped | p |"
    yield "| --- | --- | --- | ---: | ---: | ---: | ---: |"
    import numpy as np

    from lora_lens.chance.p_values import holm

    rows = record["compared"]
    corrected = holm(np.array([row["p"] for row in rows]))
    for row, p in zip(rows, corrected, strict=True):
        yield (
            f"| {row['one']} | {row['other']} | {row['matrix']} | {row['phi']:.3f} | {row['gaussian']:.3f} | "
            f"{row['flipped']:.3f} | {float(p):.3f} |"
        )
    yield ""
