"""Where an adapter comes from: the model that it was trained on, and where that has W0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Placement:
    """Where and how a base has W0 of some modules, where that is not at their path and as (out, in).

    Attributes:
        tables: Paths of embeddings, whose W0 is a row a token: the transpose of the (out, in) that a
            layer of one-hot tokens would have.
        copies: Path of a module in a layer that was replicated to that of the layer it is a copy of.
    """

    tables: frozenset[str] = frozenset()
    copies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Origin:
    """What an adapter's files say of the model that it was trained on.

    Attributes:
        base: Folder or hub id that its configuration names.
        library: Where the code of the model's class was (PEFT's ``auto_mapping``), as
            ``transformers.models.bert.modeling_bert``.
        model_class: Its name (the same), as ``CLIPTextModel``.
        words: What its tensors' names begin with.
        placement: Where its base has W0 of modules that are not where their paths say.
        rounded: Of a model that was tuned in full, the dtype that it was saved in, as ``bfloat16``: W0 is as that rounds it.
        revision: Of `base`, where its configuration says one.
    """

    base: str | None = None
    library: str | None = None
    model_class: str | None = None
    words: frozenset[str] = frozenset()
    placement: Placement = field(default_factory=Placement)
    rounded: str | None = None
    revision: str | None = None
