"""A made-up task of one's own, of as many kinds as are asked for; pairs of sentences or single ones."""

from __future__ import annotations

from pathlib import Path

from lora_lens.training.data import OwnData

ANIMALS = ("cat", "dog", "horse", "cow")


def write_own(folder: Path, *, classes: int | None, words: int = 3, pairs: bool = True) -> OwnData:
    """40 rows; `classes` None is a regression, and `words` how long a sentence is."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["first,second,label"]
    for index in range(40):
        animal, kind = ANIMALS[index % 4], index % (classes or 4)
        label = f"{kind / 2}" if classes is None else f"kind {kind}"
        rows.append(f"{' '.join([animal] * words)},The {ANIMALS[kind]} sleeps.,{label}")
    path = folder / "own.csv"
    path.write_text("\n".join(rows) + "\n")
    return OwnData(
        train=str(path), test=str(path), text=("first", "second") if pairs else ("first",),
        label="label", regression=classes is None,
    )  # fmt: skip
