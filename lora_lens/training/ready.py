"""What a run trains, made ready: the base with its head and adapter, and how long its rows may be."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

from peft import PeftModel

from .arguments import optimiser_steps
from .budget import Budget, has_budget
from .data import Splits, Task
from .frozen import round_frozen
from .head import centre_head
from .lengths import checked_length
from .models import Classifier, open_classifier, put_adapter
from .settings import RunSettings


class Ready(NamedTuple):
    """What is trained: a base with its head and adapter, AdaLoRA's budget where it has one, and how long rows may be.

    `centred` says whether the head began at the mean label; None where it was not to.
    """

    classifier: Classifier
    length: int
    model: PeftModel
    budget: Budget | None
    centred: bool | None


def made_ready(
    settings: RunSettings, task: Task, splits: Splits, resume_from: Path | None
) -> Ready:
    """The base with a new head and an adapter, as `settings` has them; of a run that goes on, with its budget's state."""
    classifier = open_classifier(settings.base, task.outputs)
    fresh = resume_from is None
    length = checked_length(
        settings.max_length, classifier, settings.base, pairs=task.pairs, given=fresh
    )
    model, budget = _with_adapter(settings, splits, classifier, resume_from)
    wanted = task.labels is None and settings.head == "mean"
    centred = centre_head(model, splits.train) if wanted else None
    if settings.precision == "bfloat16":
        round_frozen(model)
    return Ready(classifier, length, model, budget, centred)


def _with_adapter(
    settings: RunSettings, splits: Splits, classifier: Classifier, resume_from: Path | None
) -> tuple[PeftModel, Budget | None]:
    """The model that is trained, and AdaLoRA's budget where it has one."""
    model = put_adapter(settings, classifier, steps=optimiser_steps(settings, len(splits.train)))
    # Else PEFT asks the hub at every checkpoint whether the vocabulary has grown, which it never does here.
    setattr(model, "save_pretrained", partial(model.save_pretrained, save_embedding_layers=False))  # noqa: B010
    budget = Budget(model) if has_budget(model) else None
    if budget is not None and resume_from is not None:
        budget.load(resume_from)
    return model, budget
