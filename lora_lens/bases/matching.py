"""Which of a base's parameters a module's path can mean, whatever prefix either side carries."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import pairwise

from ..files.names import LAYER_WORDS, is_number, split_layer, tails

# What paths of image models' adapters begin with, and what stands before a whole model in a part.
_PIPELINE = frozenset({
    "unet", "transformer", "transformer_2", "prior", "controlnet", "diffusion_model", "text_encoder", "text_encoder_2",
    "text_encoder_3", "text_encoders", "prior_text_encoder",
})  # fmt: skip
_WHOLE = frozenset({"text_model", "language_model", "model", "transformer", "module", "encoder"})
# What stands before all of a model's names, whichever model it is; its own architecture's name may as well.
_MODELS = frozenset({
    "model", "transformer", "backbone", "language_model", "text_model", "llm", "module", "base_model",
})  # fmt: skip


_END = 3  # components of a name that it is found by


def by_end(names: Collection[str]) -> dict[str, list[str]]:
    """The last components of names → the names that end in them; shorter names are not there.

    Example:
        >>> by_end(["model.layers.0.fc.weight", "model.layers.1.fc.weight", "fc.weight"])
        {'0.fc.weight': ['model.layers.0.fc.weight'], '1.fc.weight': ['model.layers.1.fc.weight']}
    """
    found: dict[str, list[str]] = {}
    for name in names:
        end = name.split(".")[-_END:]
        if len(end) == _END:
            found.setdefault(".".join(end), []).append(name)
    return found


def match_in_base(
    path: str,
    base_names: Collection[str],
    prefixes: Collection[str] = (),
    ends: Mapping[str, Collection[str]] | None = None,
) -> list[str]:
    """The base model's parameter names that `path` can mean, whatever prefix either side carries.

    An exact ``path + ".weight"`` wins. Otherwise a name matches when one of the two is a dotted tail
    of the other and both still hold the layer number: the adapter of a
    ``BertForSequenceClassification`` says ``bert.encoder…``, a bare ``BertModel`` file ``encoder…``.
    A path without a layer needs two components in common, or one where the prefix is a whole model's: a
    ``classifier`` is not the ``sop_classifier.classifier``. A prefix that one side lacks holds no layer
    or stage, and the path's is not the ``decoder`` that its layers are in. Of a path in an image model's
    pipeline it is the part, and what holds a whole model: another net's blocks have the same names.

    Args:
        path: Of a module.
        base_names: Of the base's tensors.
        prefixes: What models' names begin with, beside ``model`` and the like.
        ends: `by_end` of them, without which all are looked at: of a base with many experts it pays.

    Example:
        >>> match_in_base("transformer.wte", ["wte.weight"])
        ['wte.weight']
        >>> match_in_base("layers.2.blocks.0.attn.qkv", ["blocks.0.attn.qkv.weight"])
        []
        >>> match_in_base("unet.motion.blocks.0.attn.qkv", ["blocks.0.attn.qkv.weight"])
        []
    """
    wanted = path + ".weight"
    if wanted in base_names:
        return [wanted]
    layered, models = split_layer(path) is not None, _MODELS.union(prefixes)
    shorter = [
        tail
        for tail in tails(wanted)
        if tail in base_names
        and (split_layer(tail) or (not layered and _says_enough(tail, wanted, models)))
    ]
    if shorter:
        longest = max(shorter, key=len)
        prefix = _before(wanted, longest)
        of_decoder = prefix[-1] == "decoder" and longest.split(".")[0] in LAYER_WORDS
        of_another = prefix[0] in _PIPELINE and not _WHOLE.issuperset(prefix[1:])
        return [] if of_decoder or of_another or _holds_layer(prefix) else [longest]
    end = wanted.split(".")[-_END:]
    some = base_names if ends is None or len(end) < _END else ends.get(".".join(end), ())
    longer = (name for name in some if name.endswith("." + wanted))
    return sorted(
        name
        for name in longer
        if not _holds_layer(_before(name, wanted))
        and (layered or _says_enough(wanted, name, models))
    )


def _says_enough(tail: str, whole: str, models: Collection[str]) -> bool:
    """Whether a tail without a layer is the same tensor's name as the whole that ends in it."""
    components = tail.count(".")  # without the last, ``weight``
    return components > 1 or (components == 1 and set(_before(whole, tail)) <= set(models))


def _before(whole: str, tail: str) -> list[str]:
    return whole.removesuffix("." + tail).split(".")


def _holds_layer(prefix: list[str]) -> bool:
    """Whether a layer's or a stage's number is in it; the 0 of ``0.auto_model`` is a wrapper's."""
    return any(
        is_number(number) and (word in LAYER_WORDS or word.endswith("s"))
        for word, number in pairwise(prefix)
    )
