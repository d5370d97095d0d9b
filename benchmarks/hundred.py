"""A hundred adapters of one base, and what a survey says of them: python benchmarks/hundred.py train --glue DIR --out DIR.

LoRA on MiniLM's query and value: four tasks on rows of GLUE's train sets (1,600 to train on, 400 to choose the epoch
by, 800 to test on), three ranks, and as many seeds as there is time for. `genre` tells from which corpus a pair of STS-B is.
A seed is of A's start, of the head's and of the rows' order, so that runs of one seed and rank begin with one A.
Adapters that are there already are not trained again.

    python benchmarks/hundred.py survey --out DIR --record docs/hundred/record.json
    python benchmarks/hundred.py page

A survey of those that have learnt (above their majority's score by MARGIN, of accuracy or Pearson's
correlation), and docs/hundred.md from its record.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

BASE = "sentence-transformers/all-MiniLM-L6-v2"
RANKS = (4, 8, 16)
ROWS = {"train": 1600, "development": 400, "test": 800}
MARGIN = 0.05
KS = (8, 16, 32)
SIDES = ("right", "left")
COMPARED = 8  # the rank of pairs that `compare` is asked about
PAGE = Path(__file__).parents[1] / "docs" / "hundred.md"


class Task(NamedTuple):
    """Rows of GLUE, and what is to be told of them."""

    name: str
    folder: str
    text: tuple[str, ...]
    label: str
    metric: str = "accuracy"


TASKS = (
    Task("sst2", "SST-2", ("sentence",), "label"),
    Task("stsb", "STS-B", ("sentence1", "sentence2"), "score", "pearson"),
    Task("genre", "STS-B", ("sentence1", "sentence2"), "genre"),
    Task("qqp", "QQP", ("question1", "question2"), "is_duplicate"),
)


class Run(NamedTuple):
    """One adapter to train."""

    seed: int
    rank: int
    task: Task

    @property
    def name(self) -> str:
        """Its folder's."""
        return f"{self.task.name}-r{self.rank}-{self.seed}"


def main() -> None:
    """Train, survey, or print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("train", "survey", "page"))
    parser.add_argument("--glue", type=Path, help="a folder of GLUE's own files")
    parser.add_argument("--out", type=Path, help="the adapters' folder")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--record", type=Path, default=Path("docs/hundred/record.json"))
    asked = parser.parse_args()
    if asked.what == "train":
        train_all(asked.glue, asked.out, asked.seeds)
    elif asked.what == "survey":
        found = surveyed(asked.out)
        asked.record.parent.mkdir(parents=True, exist_ok=True)
        asked.record.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    else:
        record = json.loads(asked.record.read_text(encoding="utf-8"))
        PAGE.write_text(page(record), encoding="utf-8")


def runs(seeds: int) -> Iterator[Run]:
    """Seed by seed, so that what is there is balanced whenever it is stopped."""
    for seed in range(seeds):
        for rank in RANKS:
            for task in TASKS:
                yield Run(seed, rank, task)


def train_all(glue: Path, out: Path, seeds: int) -> None:
    """Every adapter that is not there yet."""
    from lora_lens.training.run import train

    rows = {task.name: short(task, glue, out / "rows") for task in TASKS}
    for run in runs(seeds):
        folder = out / "adapters" / run.name
        if (folder / "run.json").exists():
            continue
        record = train(settings(run, rows[run.task.name]), folder, resume=True, use_cpu=True)
        print(f"{run.name} {record['test_score']:.3f}", flush=True)


def short(task: Task, glue: Path, out: Path) -> dict[str, Path]:
    """Some rows of GLUE's train set, drawn once and dealt into three files."""
    path = next(iter(sorted((glue / task.folder).glob("train*.tsv"))))
    with path.open(encoding="utf-8", newline="") as stream:
        read = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        rows = [[one[column] for column in (*task.text, task.label)] for one in read]
    rows = random.Random(0).sample([row for row in rows if all(row)], sum(ROWS.values()))
    files = {}
    for split, count in ROWS.items():
        files[split] = out / f"{task.name}-{split}.csv"
        files[split].parent.mkdir(parents=True, exist_ok=True)
        with files[split].open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([(*task.text, task.label), *rows[:count]])
        del rows[:count]
    return files


def settings(run: Run, rows: dict[str, Path]) -> Any:
    """How it is trained: two epochs, a rate that serves all four tasks."""
    from lora_lens.training.data import OwnData
    from lora_lens.training.settings import RunSettings

    own = OwnData(
        **{split: str(path) for split, path in rows.items()},
        text=run.task.text,
        label=run.task.label,
        metric=run.task.metric,
        regression=run.task.metric == "pearson",
    )
    return RunSettings(
        task=f"short-{run.task.name}", method="lora", base=BASE, own=own, rank=run.rank, alpha=run.rank,
        learning_rate=2e-3, epochs=2, max_length=64, group_by_length=True, seed=run.seed,
    )  # fmt: skip


def surveyed(out: Path) -> dict[str, Any]:
    """The record: what was trained, and what is seen of those that have learnt."""
    import lora_lens as ll

    trained = [scored(path.parent) for path in sorted((out / "adapters").glob("*/run.json"))]
    learnt = [one for one in trained if one["score"] >= one["majority"] + MARGIN]
    folders = {one["name"]: str(out / "adapters" / one["name"]) for one in learnt}
    apart = [one["name"] for one in learnt if own_start(one)]
    every = ll.survey([*folders.values()], out / "survey")
    alone = ll.survey([folders[name] for name in apart], out / "survey-apart")
    return {
        "version": ll.__version__,
        "base": BASE,
        "margin": MARGIN,
        "trained": trained,
        "every": {**seen(every), "of other tasks": of_other_tasks(learnt, folders)},
        "apart": {
            **seen(alone),
            "of other tasks": of_other_tasks(
                [one for one in learnt if one["name"] in apart], folders
            ),
        },
        "groups": groups(every.table("pairs"), every.table("interference")),
        "compared": compared(learnt, folders),
    }


def scored(folder: Path) -> dict[str, Any]:
    """One run's settings and scores."""
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    task, rank, seed = folder.name.split("-")
    return {
        "name": folder.name, "task": task, "rank": int(rank[1:]), "seed": int(seed),
        "metric": run["metric"], "score": run["test_score"], "majority": run["majority_score"],
    }  # fmt: skip


def own_start(one: dict[str, Any]) -> bool:
    """Of each seed and rank one task, in turn, so that no two of these begin with one A."""
    return [task.name for task in TASKS].index(one["task"]) == (
        one["seed"] + RANKS.index(one["rank"])
    ) % len(TASKS)


def seen(survey: Any) -> dict[str, Any]:
    """The sentence, and what k directions hold, mean over the places."""
    table = survey.table("subspace")
    table = table[table["k"].isin(KS)]
    means = table.groupby(["side", "directions", "k"])[["fitted", "left_out", "chance"]].mean()
    merges = survey.table("merges")
    return {
        "summary": survey.summary,
        "count": survey.adapters,
        "failed": len(survey.failed),
        "subspace": [
            {"side": side, "directions": name, "k": int(k), **row.to_dict()}
            for (side, name, k), row in means.iterrows()
        ],
        "cross_energy": float(merges["cross_energy"].mean()),
    }


def of_other_tasks(some: Sequence[dict[str, Any]], folders: dict[str, str]) -> list[dict[str, Any]]:
    """What the best k directions of all other tasks' ΔW hold of one task's, mean over the places and the tasks.

    Each ΔW is scaled to norm 1.
    """
    import torch

    import lora_lens as ll

    grams: dict[str, dict[str, Any]] = {side: {} for side in SIDES}
    for one in some:
        modules = ll.load_adapter(folders[one["name"]]).modules.values()
        delta = torch.cat([factors.b.double() @ factors.a.double() for factors in modules])
        delta = delta / delta.norm(dim=(-2, -1), keepdim=True)
        for side, gram in zip(SIDES, (delta.mT @ delta, delta @ delta.mT), strict=True):
            grams[side][one["task"]] = grams[side].get(one["task"], 0) + gram
    found = []
    for side, of_task in grams.items():
        total = sum(of_task.values())
        shares = []
        for own in of_task.values():
            directions = torch.linalg.eigh(total - own).eigenvectors.flip(-1)
            held = (directions * (own @ directions)).sum(-2).cumsum(-1)
            shares.append((held / held[..., -1:]).mean(0))
        mean = torch.stack(shares).mean(0)
        found += [
            {"side": side, "k": k, "share": float(mean[k - 1]), "chance": k / len(mean)} for k in KS
        ]
    return found


def groups(pairs: Any, crossed: Any) -> list[dict[str, Any]]:
    """φ of A and B and the cosine of ΔW, by what two adapters of one rank have in common."""
    found = []
    for every, value in ((pairs, "phi"), (crossed, "cosine")):
        one, other = (every[side].str.split("-", expand=True) for side in ("one", "other"))
        table = every.assign(task=one[0] == other[0], rank=one[1], seed=one[2] == other[2])
        by = [*(["matrix"] if value == "phi" else []), "rank", "task", "seed"]
        for key, some in table[one[1] == other[1]].groupby(by):
            matrix, rank, task, seed = key if value == "phi" else ("delta", *key)
            row = {
                "matrix": matrix, "rank": int(rank[1:]), "same_task": bool(task), "same_seed": bool(seed),
                "pairs": len(some), "mean": float(some[value].mean()),
            }  # fmt: skip
            if value == "phi":
                row["gaussian"] = float(some["gaussian_mean"].mean())
                row["mean_adapter"] = float(some["mean_adapter_mean"].mean())
            found.append(row)
    return found


def compared(learnt: Sequence[dict[str, Any]], folders: dict[str, str]) -> list[dict[str, Any]]:
    """What `compare` says of two seeds of every two tasks, value, beside flips: the null that keeps W0's directions."""
    import lora_lens as ll

    found = []
    for one, other in task_pairs(learnt):
        result = ll.compare(folders[one], folders[other], "value").to_dict()
        for matrix in ("A", "B"):
            told = result["matrices"][matrix]
            flipped = told["baselines"]["flipped"]["of_mean"]
            found.append({
                "one": one, "other": other, "matrix": matrix, "phi": told["mean"],
                "gaussian": told["baseline"]["of_mean"]["mean"], "flipped": flipped["mean"], "p": flipped["p_two_sided"],
            })  # fmt: skip
    return found


def task_pairs(learnt: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """The two lowest seeds at which both have learnt, and which differ."""
    names = [task.name for task in TASKS]
    seeds = {task: sorted(one["seed"] for one in learnt if one["task"] == task and one["rank"] == COMPARED)
             for task in names}  # fmt: skip
    for k, task in enumerate(names):
        for other in names[k:]:
            pair = next(((s, t) for s in seeds[task] for t in seeds[other] if s != t), None)
            if pair is not None:
                yield f"{task}-r{COMPARED}-{pair[0]}", f"{other}-r{COMPARED}-{pair[1]}"


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


if __name__ == "__main__":
    main()
