"""docs/hundred.md from the record that `hundred.py survey` leaves: python benchmarks/hundred.py page."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import numpy as np
from hundred_design import COMPARED, KS, RANKS, ROWS, SIDES, TASKS, learnt, run_of
from page_table import table

from lora_lens.chance.p_values import holm
from lora_lens.show.wording import listed

PAIRED = {  # what two adapters have in common: whether task, whether seed
    "same task, other seed": (True, False),
    "other task, same seed": (False, True),
    "other task, other seed": (False, False),
}


def page(record: dict[str, Any]) -> str:
    """docs/hundred.md, all of it."""
    parts = (
        _trained(record),
        _claims(record),
        _universal(record),
        _alike(record),
        _crossed(record),
        _beside_w0(record),
    )
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def _trained(record: dict[str, Any]) -> Iterator[str]:
    trained = record["trained"]
    good = [one for one in trained if learnt(one, record["margin"])]
    yield "# A hundred adapters of one base\n"
    yield (
        f"What `survey` says of {len(trained)} adapters that were trained for it: LoRA on query and value of all-MiniLM-L6-v2, "
        f"{ROWS['train']} rows of each of {len(TASKS)} tasks made of GLUE's data, two epochs, ranks {', '.join(map(str, RANKS))}, "
        f"{len({one['seed'] for one in trained})} seeds. A seed is of A's start, so that runs of one seed and rank begin with one A. "
        f"`genre` asks from which corpus a pair of STS-B is, so that it has STS-B's texts: for these two, another task is not other texts. "
        f"Small runs on a small base: what is seen here is seen of these.\n"
    )
    yield (
        "`python benchmarks/hundred.py train --glue DIR --out DIR` trains them, `python benchmarks/hundred.py survey "
        "--out DIR` makes docs/hundred/record.json, and `python benchmarks/hundred.py page` this page.\n"
    )
    yield (
        f"Only those count that have learnt, by at least {record['margin']:g} above the score of a constant answer, on test rows: "
        f"{len(good)} of {len(trained)}.\n"
    )
    rows = []
    for task in TASKS:
        every = [one for one in trained if one["task"] == task.name]
        scores = [one["score"] for one in every if one in good]
        middle = f"{statistics.median(scores):.3f}" if scores else "–"
        constant = f"{every[0]['majority']:.3f}"
        rows.append(
            [task.name, every[0]["metric"], constant, f"{len(scores)} of {len(every)}", middle]
        )
    heads = ["task", "metric", "constant answer", "learnt, of all", "median score of those"]
    yield from table(heads, rows, "llrrr")
    yield ""


def _claims(record: dict[str, Any]) -> Iterator[str]:
    """One paragraph a claim; tests/test_pages_of_benchmarks.py holds the words that no number is in."""
    k = 16
    every, apart = (
        {name: row["left_out"] for (side, name, of), row in _held(record[part]).items() if (side, of) == ("right", k)}
        for part in ("every", "apart")
    )  # fmt: skip
    others = {part: _of_others(record[part])["right", k] for part in ("every", "apart")}
    yield "## What holds here of what is claimed\n"
    yield (
        f"- **A universal subspace** (arXiv 2512.05117). {k} of 384 input directions hold {every['shared']:.2f} of the ΔW that did not help to find them, where "
        f"chance is {k / 384:.2f}; among those that began apart {apart['shared']:.2f}. Found from all other tasks instead, they hold {others['every']:.2f} of a task's, and {others['apart']:.2f} "
        f"of those that began apart: {100 * others['every'] / every['shared']:.0f} % of the {every['shared']:.2f} and {100 * others['apart'] / apart['shared']:.0f} % of the {apart['shared']:.2f}. So there is a shared subspace by this measure, whose chance level ignores W0; but {100 - 100 * others['every']:.0f} % of an unseen task's ΔW lies outside it."
    )
    yield (
        f"- **The mean adapter explains it** (its critics). The mean ΔW's own {k} directions hold as much, {every['mean adapter']:.2f}, so nothing better is found by looking for "
        f"shared ones. But with the mean taken from each, {every['shared beside the mean']:.2f} is still held: the mean mixes several families; it is not one common adapter."
    )
    found = by_what_is_common(record)
    same, other_start, neither = (
        _phis(found, "A", PAIRED[kind])
        for kind in ("other task, same seed", "same task, other seed", "other task, other seed")
    )
    yield (
        f"- **A is alike by initialisation only** (arXiv 2509.25414). By initialisation mostly: φ of A is {same} in two tasks with one start. Not only: {other_start} in two "
        f"seeds of one task. With neither in common it is {neither}. (Ranks {', '.join(map(str, RANKS))}; chance {_chances(found)}.)"
    )
    crowded, started = (
        _phis(found, "B", PAIRED[kind])
        for kind in ("other task, other seed", "other task, same seed")
    )
    rows = _with_holm(record["compared"])
    yield (
        f"- **B is crowded** (arXiv 2604.16826). φ of B with neither task nor seed in common is {crowded}, and the start adds little: {started}. Where both lie on W0's own directions does not "
        f"explain it: beside a null that keeps that, {_beyond(rows, 'B', False)} pairs of two tasks are alike in B, {_beyond(rows, 'A', False)} in A; of one task {_beyond(rows, 'B', True)} and {_beyond(rows, 'A', True)}. "
        f"Crowded beyond chance, and far from full."
    )
    cosines = {kind: _cosines(found, PAIRED[kind]) for kind in PAIRED}
    yield (
        f"- **Recycled adapters merge like random ones** (arXiv 2602.12323). Of two tasks nearly, though beyond chance: the mean cosine of two ΔW is {cosines['other task, other seed']}, where random ones have 0 ± 0.003 at one place. Of one task not: "
        f"{cosines['same task, other seed']}. Weights alone were looked at; nothing was merged and scored.\n"
    )


def _of_others(found: dict[str, Any]) -> dict[tuple[str, int], float]:
    return {(row["side"], row["k"]): row["share"] for row in found["of other tasks"]}


def _phis(found: dict[Any, dict[str, Any]], matrix: str, same: tuple[bool, bool]) -> str:
    return listed([f"{found[matrix, rank, *same]['mean']:.2f}" for rank in RANKS])


def _chances(found: dict[Any, dict[str, Any]]) -> str:
    return listed([f"{found['A', rank, False, False]['gaussian']:.2f}" for rank in RANKS])


def _cosines(found: dict[Any, dict[str, Any]], same: tuple[bool, bool]) -> str:
    return listed([f"{found['delta', rank, *same]['mean']:.2f}" for rank in RANKS])


def _with_holm(rows: list[dict[str, Any]]) -> list[tuple[dict[str, Any], float]]:
    """Rows with their corrected p's."""
    corrected = holm(np.array([row["p"] for row in rows]))
    return list(zip(rows, corrected.tolist(), strict=True))


def _beyond(rows: list[tuple[dict[str, Any], float]], matrix: str, same_task: bool) -> str:
    """How many are more alike than flips, at .05, of how many."""
    some = [
        row["phi"] > row["flipped"] and p <= 0.05
        for row, p in rows
        if row["matrix"] == matrix
        and (run_of(row["one"]).task == run_of(row["other"]).task) is same_task
    ]
    return f"{sum(some)} of {len(some)}"


def _universal(record: dict[str, Any]) -> Iterator[str]:
    yield "## Is there a universal subspace?\n"
    yield (
        "The share of ΔW, each scaled to norm 1, that k directions hold, mean over the places; on the right of ΔW, its input, and on the left. `shared` are the "
        "best k of one half of the adapters, asked about the other half; both halves have adapters of every task. The record is of one way to halve them, by their "
        "order, where `survey` has the mean over seven since, by their numbers; it was not made again. `other tasks` are the best k of all other "
        "tasks, asked about one: no adapter of that task has helped to find them (of `stsb` and `genre` one of the same texts has). `random` is what the best k hold of adapters that share nothing, where "
        "they were fitted. A begins anew with every seed and rank, so that no start is there whose directions could be asked of all; the next table says what a common start does.\n"
    )
    heads = {
        "every": "All that have learnt",
        "apart": "One task of each seed and rank, so that no two began with one A",
    }
    for name, head in heads.items():
        held = _held(record[name])
        of_others = _of_others(record[name])
        rows = []
        for side in SIDES:
            for k in KS:
                left_out = [
                    f"{held[side, each, k]['left_out']:.3f}" if (side, each, k) in held else "–"
                    for each in ("shared", "mean adapter", "shared beside the mean")
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
            ["side", "k", "chance", "shared", "mean adapter", "beside the mean", "other tasks", "random, fitted"],
            rows,
        )  # fmt: skip
        yield ""


def _held(found: dict[str, Any]) -> dict[tuple[str, str, int], dict[str, Any]]:
    return {(row["side"], row["directions"], row["k"]): row for row in found["subspace"]}


def _alike(record: dict[str, Any]) -> Iterator[str]:
    yield "## Alike by their start, or by what they learnt?\n"
    yield "φ of two adapters of one rank, mean over the places and over all such pairs; unrelated ones in brackets.\n"
    found = by_what_is_common(record)

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


def by_what_is_common(record: dict[str, Any]) -> dict[tuple[str, int, bool, bool], dict[str, Any]]:
    """Rows by matrix, rank, and whether task and seed are the same."""
    return {
        (row["matrix"], row["rank"], row["same_task"], row["same_seed"]): row
        for row in record["groups"]
    }


def _crossed(record: dict[str, Any]) -> Iterator[str]:
    yield "## Before a merge\n"
    found = by_what_is_common(record)

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
    yield from table(
        ["one", "other", "matrix", "φ", "unrelated", "flipped", "p"],
        [
            [row["one"], row["other"], row["matrix"], *(f"{row[of]:.3f}" for of in ("phi", "gaussian", "flipped")), f"{p:.3f}"]
            for row, p in _with_holm(record["compared"])
        ],
        "lllrrrr",
    )  # fmt: skip
    yield ""
