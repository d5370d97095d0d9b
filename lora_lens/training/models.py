"""Base models with a new head, and adapters put on them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, assert_never, cast

import torch
from peft import AdaLoraConfig, LoraConfig, PeftModel, get_peft_model
from peft.utils.constants import DUMMY_TARGET_MODULES
from torch.nn import Linear
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.pytorch_utils import Conv1D

from ..errors import AdapterError, BaseModelError
from ..files.hub_files import hub_file, is_hub_id, named_instead
from ..files.revisions import commit_in, folder_of, full_commit, split_revision
from ..ledger import reads
from ..printable import first_line
from .budget import budget_of
from .condlora import CondAdaLoraConfig, CondLoraConfig, get_condlora_model
from .settings import RunSettings

NO_TARGET = DUMMY_TARGET_MODULES  # by which PEFT's configuration says that no layer is adapted
_HEADS = ("classifier", "score")  # how names of what PEFT trains and saves by itself end


class Classifier(NamedTuple):
    """A base model with a head, and its tokenizer.

    Attributes:
        tokenizer, model: As transformers loads them.
        new: Names of the parameters that the base model's file does not have, and that are random
            therefore: its head's, and in some models a pooler's.
        commit: Of the hub's repository that it was loaded from; None for a folder.
        replaced: How many outputs the file's own head has, where they are others than were asked for:
            its last layer is new then.
    """

    tokenizer: Any
    model: Any
    new: tuple[str, ...]
    commit: str | None = None
    replaced: int | None = None


class NewHeadWarning(UserWarning):
    """A base model's own head does not fit the task, and another is begun."""


def open_classifier(base: str, labels: int, revision: str | None = None) -> Classifier:
    """A base model with a head of `labels` outputs (1: a regression).

    From a folder, the extra ``demo``, the hub's cache, or the hub: ``owner/name`` or
    ``owner/name@revision``; `revision` is of an id that has none after an ``@``.

    Raises:
        BaseModelError: There is no such model or revision, it cannot have such a head, or its file does
            not fit its configuration.
    """
    base, typed = split_revision(base)
    revision = typed or revision
    folder = folder_of(base, revision)
    if folder is None and not is_hub_id(base):
        raise BaseModelError(
            f"base model {base!r} is no folder; pass --base with a folder or hub id{named_instead(base, whole=True)}"
        )
    if folder is not None:
        reads(folder)
    source = str(folder or base)
    at = {} if folder or revision is None else {"revision": full_commit(base, revision)}
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **at)
        model, found = AutoModelForSequenceClassification.from_pretrained(
            source,
            num_labels=labels,
            # A checkpoint of another task says that task's, and its loss would be taken.
            problem_type="regression" if labels == 1 else "single_label_classification",
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            # In a file's half precision the head would be trained in it, and small steps be lost.
            dtype=torch.float32,
            **at,
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        reason = first_line(error)
        of = f", revision {revision!r}," if at else ""
        raise BaseModelError(f"base model {base!r}{of} cannot be loaded: {reason}") from error
    _give_padding(tokenizer, model)
    files = folder or hub_file(base, "config.json", download=False, revision=at.get("revision"))
    others = {name: shape for name, shape, _ in found["mismatched_keys"]}
    _check_only_heads(base, model, others)
    new = tuple(sorted({*found["missing_keys"], *others}))
    replaced = next((int(shape[0]) for shape in others.values()), None)
    return Classifier(tokenizer, model, new, commit_in(files) if files else None, replaced)


def _check_only_heads(base: str, model: Any, others: Mapping[str, Sequence[int]]) -> None:
    """A head may have another shape than the task's; a layer below it that has another is a broken model."""
    for name, shape in sorted(others.items()):
        if name.startswith(f"{model.base_model_prefix}."):
            raise BaseModelError(
                f"base model {base!r} cannot be loaded: {name} has the shape {tuple(shape)}, its "
                f"config.json says {tuple(model.get_parameter(name).shape)}"
            )


def warn_if_replaced(classifier: Classifier, base: str, labels: int) -> None:
    """Say so where a base model's own head is not the one that is trained."""
    if classifier.replaced is not None:
        warnings.warn(
            f"the head of {base} has {classifier.replaced} outputs, the task needs {labels}: a new one is begun",
            NewHeadWarning,
            stacklevel=3,
        )


def _give_padding(tokenizer: Any, model: Any) -> None:
    """Decoders of one text have no sign for padding; batches of rows need one.

    A decoder's score is read at the last token that is not the one that its configuration says pads, so that the two have to be one.
    """
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token_id is not None:
        model.config.get_text_config().pad_token_id = tokenizer.pad_token_id


def put_adapter(settings: RunSettings, classifier: Classifier, *, steps: int) -> PeftModel:
    """A new adapter on a base model, as the settings say.

    `steps` is how many there will be, which decides when the budget of AdaLoRA's form shrinks.

    What is new in the model is trained and saved with the adapter. PEFT does so with a head by
    itself; a new pooler (DeBERTa's) would stay random, and be another one when the adapter is loaded.

    Raises:
        AdapterError: The model has no such target module, or its W0 do not allow CondLoRA.
        BaseModelError: The base model's file does not hold a target module's weights.
    """
    model = classifier.model
    targets = [] if settings.method == "head-alone" else sorted(settings.target_modules)
    if targets:
        _check_targets(settings, classifier)
    shared = {
        "task_type": "SEQ_CLS",
        "r": settings.rank,
        "lora_alpha": settings.alpha,
        "lora_dropout": settings.dropout,
        "target_modules": targets or NO_TARGET,
        "fan_in_fan_out": _is_conv1d(settings, model),
        "modules_to_save": _new_but_for_the_head(classifier) or None,
    }
    adapted = _adapted(settings, model, shared, steps)
    for config in adapted.peft_config.values():
        # PEFT makes a set of words of them, whose order in a saved file is another in every process.
        config.target_modules = targets or NO_TARGET
    return adapted


def _adapted(settings: RunSettings, model: Any, shared: dict[str, Any], steps: int) -> PeftModel:
    match settings.method:
        case "adalora" | "condadalora":
            return _with_budget(settings, model, shared, steps)
        case "condlora":
            made = CondLoraConfig(convention=settings.convention, source=settings.source, **shared)
            return get_condlora_model(model, made)
        case "lora" | "head-alone":
            return cast(PeftModel, get_peft_model(model, LoraConfig(**shared)))
    assert_never(settings.method)


def _with_budget(
    settings: RunSettings, model: Any, shared: dict[str, Any], steps: int
) -> PeftModel:
    budget = budget_of(steps, settings.rank, settings.alpha)
    both = {key: value for key, value in (shared | budget).items() if key not in ("r", "init_r")}
    if settings.method == "adalora":
        return cast(
            PeftModel, get_peft_model(model, AdaLoraConfig(init_r=budget["init_r"], **both))
        )
    config = CondAdaLoraConfig(convention=settings.convention, r=budget["init_r"], **both)
    return get_condlora_model(model, config)


def _new_but_for_the_head(classifier: Classifier) -> list[str]:
    modules = {name.rpartition(".")[0] for name in classifier.new}
    return sorted(
        name for name in modules if not any(part.endswith(_HEADS) for part in name.split("."))
    )


def _targeted(target: str, model: Any) -> list[Any]:
    return [
        module
        for name, module in model.named_modules()
        if isinstance(module, (Linear, Conv1D)) and (name == target or name.endswith(f".{target}"))
    ]


def _is_conv1d(settings: RunSettings, model: Any) -> bool:
    return any(
        isinstance(module, Conv1D)
        for target in settings.target_modules
        for module in _targeted(target, model)
    )


def _check_targets(settings: RunSettings, classifier: Classifier) -> None:
    """Refuse target modules that the base model has not.

    Raises:
        AdapterError: It has no such linear layer.
        BaseModelError: Its file does not hold the layer's weights.
    """
    model = classifier.model
    for target in settings.target_modules:
        random = [name for name in classifier.new if f".{target}." in f".{name}"]
        if random:
            raise BaseModelError(f"{settings.base} has no weights of its own for {random[0]}")
        if not _targeted(target, model):
            linear = (
                name
                for name, module in model.named_modules()
                if isinstance(module, (Linear, Conv1D))
            )
            have = ", ".join(sorted({name.rsplit(".", 1)[-1] for name in linear}))
            raise AdapterError(f"{settings.base} has no linear layer {target!r}; it has: {have}")
