"""What a person calls a module, and which module is meant by that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from ...errors import ModuleLookupError
from .paths import ends_with, is_number, tails
from .roles import ROLES, same_job

_MOST_NAMES = 16  # that a line lists
_SEEING = ("vis", "image", "audio", "speech")  # of the part of a model that is not its text model


def short_names(patterns: Iterable[str]) -> dict[str, str]:
    """Each pattern's shortest unambiguous tail; a whole in-layer path wins over a longer tail.

    Example:
        >>> short_names(["h.*.attn.c_proj", "h.*.mlp.c_proj", "h.*.mlp.c_fc"])
        {'h.*.attn.c_proj': 'attn.c_proj', 'h.*.mlp.c_proj': 'mlp.c_proj', 'h.*.mlp.c_fc': 'c_fc'}
        >>> short_names(["t_embedder.mlp.*"])
        {'t_embedder.mlp.*': 'mlp.*'}
    """
    known = list(dict.fromkeys(patterns))
    count = Counter(tail for pattern in known for tail in tails(pattern))
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
    count = Counter(tail for pattern in names for tail in tails(pattern))
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
    also = any(ends_with(other, tail) for tail in same_job(name)[1:])
    sees = any(word in pattern.partition("*.")[0].lower() for word in _SEEING)
    return also and (name in ROLES or sees)


def _longer(pattern: str, name: str, count: Mapping[str, int]) -> str:
    apart = (tail for tail in tails(pattern.partition("*.")[2]) if count[tail] == 1)
    return next((tail for tail in apart if len(tail) > len(name)), pattern)


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
    for tail in tails(in_layer):
        first = tail.partition("@")[0]
        if count[tail] == 1 and first != "*" and not is_number(first):  # of ``mlp.*``, ``to_out.0``
            return tail
    return in_layer if count["*." + in_layer] == 1 else pattern


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
            f"module is {requested!r:.60}; expected one of this adapter's names: {_some(patterns)}"
        )
    if requested in patterns:
        return requested
    alike = same_job(requested)
    found = [
        name
        for name, pattern in patterns.items()
        if any(ends_with(pattern.partition("@")[0], tail) for tail in alike)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise ModuleLookupError(
            f"module {requested!r} is ambiguous: it could be {_some(found)}; name one of them"
            f"{_where(found, patterns)}"
        )
    raise ModuleLookupError(f"no module {requested!r} in this adapter; it has: {_some(patterns)}")


def _some(names: Collection[str]) -> str:
    """All of a few names; of many, as of experts, the first ones and how many more."""
    shown = list(names)
    more = len(shown) - _MOST_NAMES
    return ", ".join(shown) if more <= 1 else f"{', '.join(shown[:_MOST_NAMES])} and {more} more"


def _where(found: Sequence[str], patterns: Mapping[str, str]) -> str:
    """In which tower each of them is, where they are in several."""
    if not towers([patterns[name] for name in found]):
        return ""
    told = [f"{name} is {patterns[name]}" for name in found if name != patterns[name]]
    return f" ({'; '.join(told)})" if told else ""
