"""A row of text with its label, and the paper's split of such rows."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from ...errors import DataError

SPLIT_SEED = (
    1  # the released code's; which rows are development rows never varies with the run's seed
)
DEVELOPMENT_SHARE = 0.1
_FEWEST_TO_SPLIT = 10
_LABELS_SHOWN = 10
_LARGEST_SCORE = 1e18  # whose square, training's error, float32 holds


class Example(NamedTuple):
    """One row: a sentence, perhaps a second one, and a label (a class index or a score)."""

    first: str
    second: str | None
    label: int | float


class Splits(NamedTuple):
    """Rows to train on, to choose the checkpoint by, and to test on.

    Attributes:
        checksums: Of each file its SHA-256, of each hub split its fingerprint.
        left_out: File and row of each broken row that was not read; only GLUE's QQP has any.
    """

    train: list[Example]
    development: list[Example]
    test: list[Example]
    checksums: dict[str, str]
    left_out: tuple[str, ...] = ()


def set_aside(splits: Splits, rows: int | None, seed: int) -> tuple[Splits, list[Example]]:
    """A split of train that no run trains on: the splits without it, and its rows, in the order of the data.

    Args:
        splits: As the data are split.
        rows: How many; None for none.
        seed: By which they are drawn.

    Raises:
        DataError: Nothing would be left to train on.
    """
    if rows is None:
        return splits, []
    count = len(splits.train)
    if rows >= count:
        raise DataError(
            f"{rows} rows cannot be set aside of {count} to train on; ask for fewer unused rows"
        )
    chosen = set(random.Random(seed).sample(range(count), rows))
    used = [row for k, row in enumerate(splits.train) if k not in chosen]
    return splits._replace(train=used), [splits.train[k] for k in sorted(chosen)]


def hold_out(
    rows: Sequence[Example], source: str, advice: str
) -> tuple[list[Example], list[Example]]:
    """The paper's split: 90 % of `rows` to train on and 10 % for development, shuffled with seed 1.

    Raises:
        DataError: There are too few; names the `source`, and says what to do in the words of `advice`.
    """
    if len(rows) < _FEWEST_TO_SPLIT:
        raise DataError(f"{source} has {len(rows)} rows, too few to hold out 10 %; {advice}")
    shuffled = list(rows)
    random.Random(SPLIT_SEED).shuffle(shuffled)
    count = round(len(shuffled) * DEVELOPMENT_SHARE)
    return shuffled[count:], shuffled[:count]


def class_index(label: object, labels: Sequence[str], where: str) -> int:
    """Index of `label` in `labels`.

    Raises:
        DataError: There is no such label; the message names the row and the labels.
    """
    if label not in labels:
        more = ", …" if len(labels) > _LABELS_SHOWN else ""
        known = ", ".join(labels[:_LABELS_SHOWN]) + more
        raise DataError(f"{where}: the label is {label!r}, expected one of {known}")
    return labels.index(label)


def finite_score(value: object, where: str) -> float:
    """A regression's label: a number of at most 1e18 either way, or the text of one.

    Raises:
        DataError: It is none, or larger; the message names the row.
    """
    # A bool is an int to Python, and 1_011 a number.
    if (
        isinstance(value, str | int | float)
        and not isinstance(value, bool)
        and "_" not in str(value)
    ):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if abs(number) <= _LARGEST_SCORE:
            return number
    raise DataError(
        f"{where}: the score is {value!r}, expected a number of at most {_LARGEST_SCORE:.0e} either way"
    )
