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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hundred_design import (
    COMPARED,
    KS,
    MARGIN,
    RANKS,
    ROWS,
    SIDES,
    TASKS,
    Run,
    Task,
    learnt,
    run_of,
)
from hundred_page import page

BASE = "sentence-transformers/all-MiniLM-L6-v2"
PAGE = Path(__file__).parents[1] / "docs" / "hundred.md"


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
        learning_rate=2e-3, epochs=2, max_length=64, group_by_length=True,
        seed=len(RANKS) * run.seed + RANKS.index(run.rank),  # else A of rank 4 begins as the first rows of rank 8's
    )  # fmt: skip


def surveyed(out: Path) -> dict[str, Any]:
    """The record: what was trained, and what is seen of those that have learnt."""
    import lora_lens as ll

    trained = [scored(path.parent) for path in sorted((out / "adapters").glob("*/run.json"))]
    good = [one for one in trained if learnt(one)]
    folders = {one["name"]: str(out / "adapters" / one["name"]) for one in good}
    apart = [one["name"] for one in good if own_start(one)]
    every = ll.survey([*folders.values()], out / "survey")
    alone = ll.survey([folders[name] for name in apart], out / "survey-apart")
    return {
        "version": ll.__version__,
        "base": BASE,
        "margin": MARGIN,
        "trained": trained,
        "every": {**seen(every), "of other tasks": of_other_tasks(good, folders)},
        "apart": {
            **seen(alone),
            "of other tasks": of_other_tasks(
                [one for one in good if one["name"] in apart], folders
            ),
        },
        "groups": groups(every.table("pairs"), every.table("interference")),
        "compared": compared(good, folders),
    }


def scored(folder: Path) -> dict[str, Any]:
    """One run's settings and scores."""
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    made = run_of(folder.name)
    return {
        "name": folder.name, "task": made.task.name, "rank": made.rank, "seed": made.seed,
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
        runs = [
            tuple(map(run_of, names)) for names in zip(every["one"], every["other"], strict=True)
        ]
        table = every.assign(
            task=[one.task == other.task for one, other in runs],
            rank=[str(one.rank) for one, _ in runs],  # as text, by which they are sorted: 16, 4, 8
            seed=[one.seed == other.seed for one, other in runs],
        )[[one.rank == other.rank for one, other in runs]]
        by = [*(["matrix"] if value == "phi" else []), "rank", "task", "seed"]
        for key, some in table.groupby(by):
            matrix, rank, task, seed = key if value == "phi" else ("delta", *key)
            row = {
                "matrix": matrix, "rank": int(rank), "same_task": bool(task), "same_seed": bool(seed),
                "pairs": len(some), "mean": float(some[value].mean()),
            }  # fmt: skip
            if value == "phi":
                row["gaussian"] = float(some["gaussian_mean"].mean())
                row["mean_adapter"] = float(some["mean_adapter_mean"].mean())
            found.append(row)
    return found


def compared(good: Sequence[dict[str, Any]], folders: dict[str, str]) -> list[dict[str, Any]]:
    """What `compare` says of two seeds of every two tasks, value, beside flips: the null that keeps W0's directions."""
    import lora_lens as ll

    found = []
    for one, other in task_pairs(good):
        result = ll.compare(folders[one], folders[other], "value").to_dict()
        for matrix in ("A", "B"):
            told = result["matrices"][matrix]
            flipped = told["baselines"]["flipped"]["of_mean"]
            found.append({
                "one": one, "other": other, "matrix": matrix, "phi": told["mean"],
                "gaussian": told["baseline"]["of_mean"]["mean"], "flipped": flipped["mean"], "p": flipped["p_two_sided"],
            })  # fmt: skip
    return found


def task_pairs(good: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """The two lowest seeds at which both have learnt, and which differ."""
    seeds = {task: sorted(one["seed"] for one in good if one["task"] == task.name and one["rank"] == COMPARED)
             for task in TASKS}  # fmt: skip
    for k, task in enumerate(TASKS):
        for other in TASKS[k:]:
            pair = next(((s, t) for s in seeds[task] for t in seeds[other] if s != t), None)
            if pair is not None:
                yield Run(pair[0], COMPARED, task).name, Run(pair[1], COMPARED, other).name


if __name__ == "__main__":
    main()
