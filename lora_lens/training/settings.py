"""Everything that decides a run's result, in one value that is written down with it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from ..errors import SettingsError
from ..sources import Source
from ..updates import Convention
from .as_asked import UNSAID
from .data import (
    TASKS,
    OwnData,
    Task,
    paper_learning_rate,
)
from .methods import Method

LONGEST = 512  # tokens a row, where nothing else is asked for
Precision = Literal["float32", "bfloat16"]
HeadStart = Literal["mean", "zero"]

# Lowest and highest of every number; None is a number that may be left open.
_BOUNDS: dict[str, tuple[float, float]] = {
    "rank": (1, math.inf),
    "alpha": (0, math.inf),
    "dropout": (0, 1),
    "learning_rate": (0, math.inf),
    "epochs": (0, math.inf),
    "stop_after": (0, math.inf),
    "batch_size": (1, math.inf),
    "max_length": (2, math.inf),
    "warmup": (0, 1),
    "weight_decay": (0, math.inf),
    "patience": (1, math.inf),
    "train_rows": (1, math.inf),
    "unused_rows": (1, math.inf),
    "unused_seed": (0, 2**32 - 1),
    "seed": (0, 2**32 - 1),
}
_ABOVE_THE_LOWEST = ("alpha", "learning_rate", "epochs", "stop_after")
_CHOICES: dict[str, Any] = {
    "method": Method,
    "convention": Convention,
    "source": Source,
    "precision": Precision,
    "head": HeadStart,
}


@dataclass(frozen=True)
class RunSettings:
    """One training run. Defaults are the paper's and its released code's.

    Attributes:
        task: A GLUE task, or any name for data of one's own.
        method: ``lora`` and ``adalora``, PEFT's own; ``condlora``, and ``condadalora``, AdaLoRA's form of
            it; or ``head-alone``, which adapts no layer and trains the head that every method trains.
        base: Base model: a folder or a hub id.
        data: Folder of GLUE's TSV files; None for the hub.
        own: Other data than GLUE.
        convention: CondLoRA's.
        source: What CondLoRA's factors are made of: W0, or a control in its place.
        unused_rows: How many rows of train no run ever trains on, whatever its seed; None for none. They are drawn by
            `unused_seed` from what is left when the development rows are held out, before `train_rows` are counted.
        unused_seed: Of that draw.
        target_modules: Ends of the names of the layers to adapt.
        rank, alpha, dropout: r, α (ΔW is scaled by α/r) and LoRA's dropout. Where ranks are allocated r
            is a layer's on average in the end (see `budget_of`).
        learning_rate: AdamW's largest; None for the paper's of this task and method.
        epochs: At most; None for the paper's of this task.
        stop_after: Epochs after whose evaluation it ends, on the schedule of all `epochs`; None for none.
            Before the last allocation of ranks, a little after half of `epochs`, they are more than the budget.
        batch_size: Rows a step, over all devices together.
        max_length: Tokens a row, at most; of 512, as many as the base model has positions for.
        warmup: Share of the steps in which the learning rate rises; then it falls linearly to 0.
        weight_decay: AdamW's.
        patience: Evaluations without a better one after which a run stops.
        group_by_length: Make batches of rows of like length, which saves padding on short texts; the
            paper does not.
        precision: Of the forward pass; ``bfloat16`` is autocast, with θ, A and B in float32.
        head: Where a regression's answers begin: at the mean training label; or at ``zero``, as in
            transformers and the released code (see `centre_head`).
        train_rows: Train on so many of the rows only, for a quick try; None for all.
        gradient_checkpointing: Recompute activations in the backward pass instead of keeping them.
        seed: Of initialisation, order and dropout; the split of the rows never varies.
    """

    task: str
    method: Method
    base: str
    data: str | None = None
    own: OwnData | None = None
    convention: Convention = "consistent"
    target_modules: tuple[str, ...] = ("query", "value")
    rank: int = 8
    alpha: float = 8
    dropout: float = 0.0
    learning_rate: float | None = None
    epochs: float | None = None
    stop_after: float | None = None
    batch_size: int = 16
    max_length: int = LONGEST
    warmup: float = 0.1
    weight_decay: float = 0.1
    patience: int = 30
    group_by_length: bool = False
    precision: Precision = "float32"
    gradient_checkpointing: bool = False
    head: HeadStart = "mean"
    train_rows: int | None = None
    seed: int = 0
    source: Source = "w0"
    unused_rows: int | None = None
    unused_seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no run can be made with.

        Raises:
            SettingsError: Names the setting, and what it may be.
        """
        if not self.target_modules:
            raise SettingsError("no target module is named; expected such as query,value")
        for name, choices in _CHOICES.items():
            if (value := getattr(self, name)) not in get_args(choices):
                raise SettingsError(
                    f"{name} is {value!r}, expected one of {', '.join(get_args(choices))}"
                )
        if self.source != "w0" and self.method != "condlora":
            raise SettingsError(
                f"source is {self.source!r}, which is of method condlora alone, and the method is {self.method}; leave it out"
            )
        for name, (low, high) in _BOUNDS.items():
            value, above = getattr(self, name), name in _ABOVE_THE_LOWEST
            if value is None:
                continue
            if not math.isfinite(value) or not low <= value <= high or (above and value == low):
                least = f"{'above' if above else 'at least'} {low}"
                most = f" and at most {high}" if math.isfinite(high) else ""
                raise SettingsError(f"{name} is {value}, expected {least}{most}")

    def as_written(self) -> dict[str, Any]:
        """As records have it: without what is as it was before it could be asked for."""
        said = asdict(self)
        return {k: v for k, v in said.items() if k not in UNSAID or v != UNSAID[k]}

    def resolved(self) -> RunSettings:
        """With the paper's learning rate and epochs of the task where none are given.

        Raises:
            DataError: No learning rate is given, and the paper has none for this task.
        """
        rate = self.learning_rate
        return replace(
            self,
            learning_rate=paper_learning_rate(self.task, self.method) if rate is None else rate,
            epochs=self.most_epochs,
        )

    @property
    def most_epochs(self) -> float:
        """`epochs`, or the paper's of the task where none are given."""
        if self.epochs is not None:
            return self.epochs
        return TASKS[self.task].epochs if self.task in TASKS else Task.epochs

    def rows_a_device(self, devices: int) -> int:
        """`batch_size` shared out evenly, so that the result does not depend on the devices' number.

        But for an epoch's last batch where it is short: accelerate fills it up with rows from the
        epoch's beginning, so that every device has some.

        Raises:
            SettingsError: It cannot be shared out evenly.
        """
        if self.batch_size % devices:
            raise SettingsError(
                f"a batch of {self.batch_size} rows cannot be shared out over {devices} processes; "
                f"choose a --batch-size that {devices} divides"
            )
        return self.batch_size // devices
