"""Which modules and layers two adapters can be compared in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..adapter import Adapter, ModuleFactors
from ..errors import AdapterError, ModuleLookupError
from ..files.revisions import with_revision
from .selection import select_delta, select_module

SAME_A = "runs of one seed begin with the same A"
# Measured on MiniLM: two untrained θ give a mean φ of 0.054 to 0.066 where unrelated subspaces give 0.021.
SAME_W0 = (
    "both adapters make A and B of the same W0, which alone makes them alike: unrelated subspaces are "
    "too low a bar for them, and to be above it is no finding"
)


def select_in_both(
    one: Adapter, other: Adapter, module: str, *, of_delta: bool = False
) -> tuple[ModuleFactors, ModuleFactors]:
    """The factors of a module in both adapters; where ΔW alone is asked for, those of what was trained in full, too.

    Raises:
        ModuleLookupError: One has no such module; the message says which.

    Example:
        >>> import lora_lens as ll
        >>> one, other = (ll.load_adapter(ll.demo_adapter(name)) for name in ("lora", "condlora"))
        >>> [factors.module for factors in select_in_both(one, other, "value")]
        ['value', 'value']
    """
    found = []
    for adapter in (one, other):
        try:
            found.append((select_delta if of_delta else select_module)(adapter, module))
        except ModuleLookupError as error:
            raise ModuleLookupError(f"{adapter.source}: {error}") from None
    return found[0], found[1]


def shared_layers(
    one: Adapter, other: Adapter, first: ModuleFactors, second: ModuleFactors
) -> tuple[list[int], tuple[str, ...]]:
    """The layers that both modules have, ascending, and notes: what does not pair, or pairs too well.

    Raises:
        AdapterError: They share no layer, or differ in width.

    Example:
        >>> from dataclasses import replace
        >>> import lora_lens as ll
        >>> one, other = (ll.load_adapter(ll.demo_adapter(name)) for name in ("lora", "condlora"))
        >>> shifted = replace(other.modules["query"], layers=(4, 5, 6, 7, 8, 9))
        >>> layers, notes = shared_layers(one, other, one.modules["query"], shifted)
        >>> layers, len(notes)  # each has layers that the other has not
        ([4, 5], 2)
    """
    layers = sorted(set(first.layers) & set(second.layers))
    if not layers:
        raise AdapterError(
            f"{one.source} has {first.module} in {_said(first.layers)} and {other.source} in "
            f"{_said(second.layers)}; they share none"
        )
    for axis in ("in_features", "out_features"):
        if getattr(first, axis) != getattr(second, axis):
            raise AdapterError(
                f"{first.module} has {axis} {getattr(first, axis)} in {one.source} and "
                f"{getattr(second, axis)} in {other.source}; they have different base models"
            )
    notes = tuple(
        f"only {adapter.source} has {factors.module} in {_said(extra)}"
        for adapter, factors in ((one, first), (other, second))
        if (extra := sorted(set(factors.layers) - set(layers)))
    )
    caveats = dict.fromkeys((*one.caveats, *other.caveats))
    return layers, (*caveats, *_of_bases(one, other), *notes)


def base_of_both(one: Adapter, other: Adapter) -> str | None:
    """The base model of two adapters, as they name it; None where they name two, or one names none.

    Example:
        >>> from dataclasses import replace
        >>> import lora_lens as ll
        >>> one, other = (ll.load_adapter(ll.demo_adapter(name)) for name in ("lora", "condlora"))
        >>> base_of_both(one, other), base_of_both(one, replace(other, base_model="another"))
        ('sentence-transformers/all-MiniLM-L6-v2', None)
    """
    first, second = (with_revision(each.base_model, each.revision) for each in (one, other))
    return first if first == second else None


def commit_of_all(adapters: Iterable[Adapter]) -> str | None:
    """The commit of the W0 that factors were made of; None where none were, or of several.

    Example:
        >>> from dataclasses import replace
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> of = {commit: replace(adapter, base_commit=commit) for commit in ("1f", "2f", None)}
        >>> commit_of_all([of["1f"], of[None], of["1f"]]), commit_of_all(of.values())
        ('1f', None)
    """
    found = {each.base_commit for each in adapters if each.base_commit}
    return found.pop() if len(found) == 1 else None


def different_bases(one: Adapter, other: Adapter) -> tuple[str, ...]:
    """A note, where they name two.

    Example:
        >>> from dataclasses import replace
        >>> import lora_lens as ll
        >>> one, other = (ll.load_adapter(ll.demo_adapter(name)) for name in ("lora", "condlora"))
        >>> len(different_bases(one, other)), len(different_bases(one, replace(other, base_model="another")))
        (0, 1)
    """
    first, second = (with_revision(each.base_model, each.revision) for each in (one, other))
    if first and second and first != second:
        return (
            f"the adapters name different base models, {first} and {second}; what is found "
            f"between them means something only if those are the same weights",
        )
    return ()


def notes_of_many(
    bases: Iterable[str | None], from_w0: int, *, named: bool = False
) -> Iterator[str]:
    """What makes φ between any of several adapters mean little: several base models, or two made of W0.

    Args:
        bases: What each names.
        from_w0: How many make A and B of W0.
        named: Whether one base was given for all, whatever they name.

    Example:
        >>> [note.partition(";")[0] for note in notes_of_many(["a", None, "b"], 1)]
        ['the adapters name 2 base models (a, b)']
    """
    different = sorted({base for base in bases if base})
    if len(different) > 1 and not named:
        yield (
            f"the adapters name {len(different)} base models ({', '.join(different[:3])}"
            f"{', …' if len(different) > 3 else ''}); φ between adapters of different models means little"
        )
    if from_w0 > 1:
        yield (
            "CondLoRA adapters of one base make A and B of the same W0, which alone makes them alike: "
            "unrelated subspaces are too low a bar between two of them"
        )


def _of_bases(one: Adapter, other: Adapter) -> tuple[str, ...]:
    if found := different_bases(one, other):
        return found
    return (SAME_W0,) if one.from_w0 and other.from_w0 else ()


def _said(layers: Sequence[int]) -> str:
    return f"layer{'s' * (len(layers) != 1)} {', '.join(map(str, layers))}"
