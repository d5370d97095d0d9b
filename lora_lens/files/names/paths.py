"""Paths of modules: their layer, their blocks, their tails.

A module path holds its layer as its first whole-number component after a word like ``layer``:
``bert.encoder.layer.3.attention.self.query`` is layer 3 of the pattern
``bert.encoder.layer.*.attention.self.query``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

LAYER_WORDS = frozenset({"layer", "layers", "h", "block", "blocks", "resblocks"})
_MOST_DIGITS = 9


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
    after_a_word = [k for k in numbers if k and parts[k - 1] in LAYER_WORDS]
    position = (after_a_word or numbers)[0]
    layer, parts[position] = int(parts[position]), "*"
    return ".".join(parts), layer


def in_layers(path: str) -> bool:
    """Whether one of its numbers stands after a word for a layer, and no other can be meant.

    Example:
        >>> in_layers("model.layers.7.q_proj"), in_layers("down_blocks.1.attentions.0.to_q")
        (True, False)
    """
    return any(word in LAYER_WORDS and is_number(part) for word, part in pairwise(path.split(".")))


def no_layer(path: str) -> str | None:
    """What stands where blocks are counted and reads as a number, but is none of a layer's; None where nothing does.

    Example:
        >>> no_layer("model.layers.-3.q_proj"), no_layer("encoder.layer.٣.query"), no_layer("model.layers.3.q_proj")
        ('layers.-3', 'layer.٣', None)
        >>> no_layer("layers.final.q_proj") is None
        True
    """
    found = (
        f"{word}.{part}"
        for word, part in pairwise(path.split("."))
        if counts_blocks(word) and not is_number(part) and _reads_as_number(part)
    )
    return next(found, None)


def _reads_as_number(part: str) -> bool:
    return part.lstrip("+-−").replace("_", "").isnumeric()


def counts_blocks(word: str) -> bool:
    """Whether a number after a word is that of a block among blocks alike; experts are no layers.

    Example:
        >>> counts_blocks("attentions"), counts_blocks("net"), counts_blocks("experts")
        (True, False, False)
    """
    return word in LAYER_WORDS or (word.endswith("s") and word != "experts")


def tails(path: str) -> Iterator[str]:
    """What a path ends with: its last component, its last two, and so on to the whole.

    Example:
        >>> list(tails("attn.c_proj"))
        ['c_proj', 'attn.c_proj']
    """
    parts = path.split(".")
    return (".".join(parts[-k:]) for k in range(1, len(parts) + 1))


def ends_with(path: str, tail: str) -> bool:
    """Whether a path is a tail, or ends with it after a dot.

    Example:
        >>> ends_with("attn.c_proj", "c_proj"), ends_with("attn.c_proj", "proj")
        (True, False)
    """
    return path == tail or path.endswith("." + tail)
