"""A made-up task in GLUE's own layout: the label is whether both sentences name the same animal."""

from __future__ import annotations

import random
from pathlib import Path

ANIMALS = ("cat", "dog", "horse", "cow")


def write_rte(folder: Path, train: int = 60, dev: int = 20) -> Path:
    rng = random.Random(0)
    for name, count in (("train", train), ("dev", dev)):
        rows = ["index\tsentence1\tsentence2\tlabel"]
        for index in range(count):
            one, other = rng.choice(ANIMALS), rng.choice(ANIMALS)
            label = "entailment" if one == other else "not_entailment"
            rows.append(f'{index}\tA {one} sleeps "here.\tThe {other} sleeps.\t{label}')
        path = folder / "RTE" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(rows) + "\n")
    return folder
