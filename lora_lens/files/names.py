"""Parameter names: which layer, which module, and what a person calls it.

A module path holds its layer as its first whole-number component after a word like ``layer``:
``bert.encoder.layer.3.attention.self.query`` is layer 3 of the pattern
``bert.encoder.layer.*.attention.self.query``, which people call ``query``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from ..errors import FileFormatError, ModuleLookupError
from .roles import ROLES, same_job

PEFT_PREFIX = "base_model.model."
# FSDP, torch.compile, activation checkpointing and DistributedDataParallel wrap modules, and say so.
WRAPPERS = frozenset({"_fsdp_wrapped_module", "_orig_mod", "_checkpoint_wrapped_module"})

_MOST_DIGITS = 9
_LONGEST, _DEEPEST = 1_000, 100
_SEEING = ("vis", "image", "audio", "speech")  # of the part of a model that is not its text model
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
_LAYER_WORDS = frozenset({"layer", "layers", "h", "block", "blocks", "resblocks"})


def is_number(part: str) -> bool:
    """Whether a component of a path is a number, as PyTorch writes those of a list's modules.

    Example:
        >>> is_number("11"), is_number("011"), is_number("9" * 5000), is_number("q")
        (True, False, False, False)
    """
    return (
        len(part) <= _MOST_DIGITS
        and part.isascii()
        and part.isdecimal()
        and (part[0] != "0" or part == "0")
    )


def check_names(source: str | Path, names: Iterable[str]) -> None:
    """Refuse names that no library gives a tensor, and that would go on to terminals, pages and files.

    Args:
        source: For messages.
        names: Of tensors.

    Raises:
        FileFormatError: One holds control characters, or is longer than paths of modules are.
    """
    for name in names:
        if not name.isprintable():
            raise FileFormatError(
                f"{source} has a tensor named {name!r}, with characters that cannot be printed; expected a "
                f"module's path: rename it"
            )
        if len(name) > _LONGEST or name.count(".") > _DEEPEST:
            raise FileFormatError(
                f"{source} has a tensor whose name {name!r} has {len(name):,} letters and {name.count('.'):,} "
                f"dots, expected at most {_LONGEST:,} and {_DEEPEST}"
            )


def split_layer(path: str) -> tuple[str, int] | None:
    """The pattern and the layer of a module path, or None where the path has no layer.

    Example:
        >>> split_layer("model.layers.7.self_attn.q_proj")
        ('model.layers.*.self_attn.q_proj', 7)
        >>> split_layer("lm_head") is None
        True
    """
    parts = path.split(".")
    numbers = [position for position, part in enumerate(parts) if is_number(part)]
    if not numbers:
        return None
    after_a_word = [k for k in numbers if k and parts[k - 1] in _LAYER_WORDS]
    position = (after_a_word or numbers)[0]
    layer, parts[position] = int(parts[position]), "*"
    return ".".join(parts), layer


def in_layers(path: str) -> bool:
    """Whether one of its numbers stands after a word for a layer, and no other can be meant.

    Example:
        >>> in_layers("model.layers.7.q_proj"), in_layers("down_blocks.1.attentions.0.to_q")
        (True, False)
    """
    return any(word in _LAYER_WORDS and is_number(part) for word, part in pairwise(path.split(".")))


def counts_blocks(word: str) -> bool:
    """Whether a number after a word is that of a block among blocks alike; experts are no layers.

    Example:
        >>> counts_blocks("attentions"), counts_blocks("net"), counts_blocks("experts")
        (True, False, False)
    """
    return word in _LAYER_WORDS or (word.endswith("s") and word != "experts")


def short_names(patterns: Iterable[str]) -> dict[str, str]:
    """Each pattern's shortest unambiguous tail; a whole in-layer path wins over a longer tail.

    Example:
        >>> short_names(["h.*.attn.c_proj", "h.*.mlp.c_proj", "h.*.mlp.c_fc"])
        {'h.*.attn.c_proj': 'attn.c_proj', 'h.*.mlp.c_proj': 'mlp.c_proj', 'h.*.mlp.c_fc': 'c_fc'}
        >>> short_names(["t_embedder.mlp.*"])
        {'t_embedder.mlp.*': 'mlp.*'}
    """
    known = list(dict.fromkeys(patterns))
    count = Counter(tail for pattern in known for tail in _tails(pattern))
    return {pattern: _short_name(pattern, count) for pattern in known}


def names_apart(patterns: Iterable[str]) -> dict[str, str]:
    """`short_names`, but that none of them is what people call another tower's module as well.

    A part of a model that sees has a ``value``, and the text model a ``v_proj``: who says ``value`` means
    either, and who says the ``v_proj`` of a part that sees is likely to mean the text's.

    Example:
        >>> names_apart(["visual.blocks.*.attn.value", "model.layers.*.self_attn.v_proj"])
        {'visual.blocks.*.attn.value': 'attn.value', 'model.layers.*.self_attn.v_proj': 'v_proj'}
    """
    names = short_names(patterns)
    count = Counter(tail for pattern in names for tail in _tails(pattern))
    return {
        pattern: _longer(pattern, name, count)
        if any(_is_mistaken(pattern, name, other) for other in names)
        else name
        for pattern, name in names.items()
    }


def _is_mistaken(pattern: str, name: str, other: str) -> bool:
    """Whether a module's name is also what another tower's is called."""
    if "@" in pattern + other or not towers([pattern, other]):
        return False
    also = any(_ends_with(other, tail) for tail in same_job(name)[1:])
    sees = any(word in pattern.partition("*.")[0].lower() for word in _SEEING)
    return also and (name in ROLES or sees)


def _longer(pattern: str, name: str, count: Mapping[str, int]) -> str:
    tails = (tail for tail in _tails(pattern.partition("*.")[2]) if count[tail] == 1)
    return next((tail for tail in tails if len(tail) > len(name)), pattern)


def towers(patterns: Collection[str]) -> set[str]:
    """What stands before the layers' numbers, where that is not the same of all.

    Example:
        >>> sorted(towers(["visual.blocks.*.attn.qkv", "model.layers.*.self_attn.v_proj"]))
        ['model.layers', 'visual.blocks']
    """
    found = {before[:-1] for one in patterns for before, star, _ in [one.partition("*.")] if star}
    return found if len(found) > 1 else set()


def _short_name(pattern: str, count: Mapping[str, int]) -> str:
    """`count`: how many patterns end with a tail."""
    _, in_layer = pattern.split("*.", 1) if "*." in pattern else ("", pattern)
    for tail in _tails(in_layer):
        first = tail.partition("@")[0]
        if count[tail] == 1 and first != "*" and not is_number(first):  # of ``mlp.*``, ``to_out.0``
            return tail
    return in_layer if count["*." + in_layer] == 1 else pattern


def _tails(path: str) -> Iterable[str]:
    parts = path.split(".")
    return (".".join(parts[-k:]) for k in range(1, len(parts) + 1))


def _ends_with(path: str, tail: str) -> bool:
    return path == tail or path.endswith("." + tail)


def find_module(requested: str, patterns: Mapping[str, str]) -> str:
    """The short name that `requested` means: itself, or the one module that it or an equal role ends.

    Args:
        requested: What the user typed: ``value``, ``v_proj``, ``attention.output.dense``.
        patterns: Short name to pattern, as the adapter holds them.

    Raises:
        ModuleLookupError: No module, or more than one, answers to the name: of self- and
            cross-attention, of two towers, of parts of several widths; or it is no name.

    Example:
        >>> find_module("value", {"to_v": "transformer_blocks.*.attn1.to_v"})
        'to_v'
    """
    if not isinstance(requested, str):
        raise ModuleLookupError(
            f"module is {requested!r:.60}; expected one of this adapter's names: {', '.join(patterns)}"
        )
    if requested in patterns:
        return requested
    tails = same_job(requested)
    found = [
        name
        for name, pattern in patterns.items()
        if any(_ends_with(pattern.partition("@")[0], tail) for tail in tails)
    ]
    if len(found) == 1:
        return found[0]
    have = ", ".join(patterns)
    if found:
        raise ModuleLookupError(
            f"module {requested!r} is ambiguous: it could be {', '.join(found)}; name one of them"
            f"{_where(found, patterns)}"
        )
    raise ModuleLookupError(f"no module {requested!r} in this adapter; it has: {have}")


def _where(found: Sequence[str], patterns: Mapping[str, str]) -> str:
    """In which tower each of them is, where they are in several."""
    if not towers([patterns[name] for name in found]):
        return ""
    told = [f"{name} is {patterns[name]}" for name in found if name != patterns[name]]
    return f" ({'; '.join(told)})" if told else ""


def match_in_base(
    path: str, base_names: Collection[str], prefixes: Collection[str] = ()
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
        for tail in _tails(wanted)
        if tail in base_names
        and (split_layer(tail) or (not layered and _says_enough(tail, wanted, models)))
    ]
    if shorter:
        longest = max(shorter, key=len)
        prefix = _before(wanted, longest)
        of_decoder = prefix[-1] == "decoder" and longest.split(".")[0] in _LAYER_WORDS
        of_another = prefix[0] in _PIPELINE and not _WHOLE.issuperset(prefix[1:])
        return [] if of_decoder or of_another or _holds_layer(prefix) else [longest]
    longer = (name for name in base_names if name.endswith("." + wanted))
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
        is_number(number) and (word in _LAYER_WORDS or word.endswith("s"))
        for word, number in pairwise(prefix)
    )


def natural(text: str) -> list[tuple[int, int, str]]:
    """A key that sorts numbers within names as numbers: ``seed-2`` before ``seed-10``."""
    parts = re.split(r"(\d+)", text)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
