"""Updates by module path → groups that are stacked: one module over its layers, all of one shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ...adapter import FusedRows
from ...bases import fused
from ...files.names import counts_blocks, in_layers, is_number, names_apart, natural, split_layer
from ...updates import LowRank

_WHOLE = ("unet", "transformer")


class Member(NamedTuple):
    """One layer of a module."""

    layer: int
    path: str
    update: LowRank


class Group(NamedTuple):
    """One module over its layers, in their order.

    Attributes:
        module: Its short name.
        pattern: As `lora_lens.ModuleFactors` says.
        members: The layers.
        part: Which of B's rows it has, or None for all.
    """

    module: str
    pattern: str
    members: tuple[Member, ...]
    part: FusedRows | None


def group_by_module(
    updates: Mapping[str, LowRank],
    *,
    config: Mapping[str, Any] | None = None,
    split_c_attn: Callable[[str], bool] | None = None,
) -> list[Group]:
    """The groups, by name; every update is in one, or in one a role of a fused projection.

    Layers whose shapes differ make no stack. Where their paths hold a second number (Swin's
    ``layers.2.blocks.5``, a U-Net's ``down_blocks.1.attentions.0``), that one becomes the layer, and
    the first is named: ``query@layers-2``; of several such, the one that makes the fewest modules. Else,
    or where that makes fewer, they are grouped by shape: ``q_proj@2048x1024``.
    A module in no numbered layer (``lm_head``) is a group of its own. Layers that DoRA rescales and others
    are two modules, ``fc1@dora`` and ``fc1@lora``.

    Args:
        updates: Module path to what is done to its W0.
        config: The base's, which says how its fused projections lie; None where it is not at hand.
        split_c_attn: Whether, for want of a configuration, the ``c_attn`` at a path is GPT-2's Conv1D; a
            Linear of that name lies otherwise, and stays whole. By default all are.
    """
    families: dict[str, list[str]] = {}
    for path in updates:
        families.setdefault(_all_starred(path), []).append(path)
    by_pattern: dict[str, list[Member]] = {}
    for paths in families.values():
        by_pattern |= _of_one_shape(paths, updates)
    by_pattern = _by_kind(_told_apart(by_pattern))
    roles: dict[str, tuple[list[Member], FusedRows | None]] = {}
    for pattern, members in by_pattern.items():
        parts = _unfused(pattern, members[0], config, split_c_attn)
        # A module of a role's own name beside the fused one keeps it, and the role has the fused one's name.
        if sum(name in by_pattern for name in parts) > 1:
            parts = {pattern: None}
        for name, part in parts.items():
            roles[pattern if name in by_pattern else name] = (members, part)
    names = names_apart(roles)
    groups = [
        Group(names[pattern], pattern, tuple(sorted(members, key=lambda m: m.layer)), part)
        for pattern, (members, part) in roles.items()
    ]
    return sorted(groups, key=lambda group: natural(group.module))


def _all_starred(path: str) -> str:
    return ".".join("*" if is_number(part) else part for part in path.split("."))


def _shape(update: LowRank) -> tuple[int, int]:
    """Of ΔW: rows and columns."""
    return update.b.shape[0], update.a.shape[1]


def _of_one_shape(paths: Sequence[str], updates: Mapping[str, LowRank]) -> dict[str, list[Member]]:
    """Pattern → members of one family, by the number that leaves the fewest patterns, each of one shape."""
    by_first = _by_number(paths, 0, updates)
    if by_first is None:
        return _by_shape({path: [_member(0, path, updates[path])] for path in paths})
    fits = _are_of_one_shape(by_first)
    if fits and in_layers(paths[0]):  # later numbers are of its experts
        return by_first
    found = [by_first] if fits else []
    for place in range(1, paths[0].count(".") + 1):
        one = _by_number(paths, place, updates)
        if one is not None and _are_of_one_shape(one):
            found.append(one)
    return min([*found, _by_shape(by_first)], key=len)


def _by_number(
    paths: Sequence[str], place: int, updates: Mapping[str, LowRank]
) -> dict[str, list[Member]] | None:
    """Pattern → members with this number as the layer; None where there is no such number of blocks."""
    found: dict[str, list[Member]] = {}
    for path in paths:
        split = _split(path, place)
        if split is None:
            return None
        found.setdefault(split[0], []).append(_member(split[1], path, updates[path]))
    return found


def _member(layer: int, path: str, update: LowRank) -> Member:
    """A layer by the path of its W0, which roles of a fused projection share."""
    return Member(layer, update.role[0] if update.role else path, update)


def _are_of_one_shape(patterns: Mapping[str, Sequence[Member]]) -> bool:
    return all(len({_shape(m.update) for m in members}) == 1 for members in patterns.values())


def _split(path: str, place: int) -> tuple[str, int] | None:
    """Pattern and layer, the layer being the number `place` numbers after the one that people mean."""
    first = split_layer(path)
    if first is None:
        return (path, 0) if place == 0 else None
    if place == 0:
        return first
    parts = path.split(".")
    start = first[0].split(".").index("*")
    later = [k for k in range(start + 1, len(parts)) if is_number(parts[k])]
    if len(later) < place:
        return None
    position = later[place - 1]
    if not counts_blocks(parts[position - 1]):  # a place in a sequence, as in ``net.2``
        return None
    fixed = [
        parts[k] if is_number(parts[k - 1]) else f"{parts[k - 1]}-{parts[k]}"
        for k in [start, *later[: place - 1]]
    ]
    if start > 1 and parts[start - 2].endswith("_block"):  # ``mid_block.attentions.0``
        fixed.insert(0, parts[start - 2])
    layer, parts[position] = int(parts[position]), "*"
    return f"{'.'.join(parts)}@{'-'.join(fixed)}", layer


def _by_shape(patterns: Mapping[str, Sequence[Member]]) -> dict[str, list[Member]]:
    """Patterns of several shapes apart, ``…q_proj@OUTxIN``."""
    found: dict[str, list[Member]] = {}
    for pattern, members in patterns.items():
        several = len({_shape(member.update) for member in members}) > 1
        for member in members:
            rows, columns = _shape(member.update)
            name = f"{pattern}@{rows}x{columns}" if several else pattern
            found.setdefault(name, []).append(member)
    return found


def _told_apart(patterns: Mapping[str, list[Member]]) -> dict[str, list[Member]]:
    """A U-Net's ``mid_block`` is named too, beside the blocks whose widths made them be named."""
    labelled = [_parts(pattern) for pattern in patterns if "@" in pattern]
    stacks = {(parts[0], parts[-1]) for parts in labelled}
    modules = {module for _, module in stacks}
    found = {}
    for pattern, members in patterns.items():
        first, *_, last = [*_parts(pattern), *_parts(pattern)]
        alone = "*" not in pattern or last not in modules or (first, last) in stacks
        found[pattern if alone else f"{pattern}@{first}"] = members
    return found


def _by_kind(patterns: Mapping[str, list[Member]]) -> dict[str, list[Member]]:
    """Patterns of which DoRA rescales some layers otherwise than others, or not at all, apart: ``…fc1@dora``."""
    found: dict[str, list[Member]] = {}
    for pattern, members in patterns.items():
        several = len({_kind(member.update) for member in members}) > 1
        for member in members:
            label = f"{'-' if '@' in pattern else '@'}{_kind(member.update)}" if several else ""
            found.setdefault(f"{pattern}{label}", []).append(member)
    return found


def _kind(update: LowRank) -> str:
    """What is done to W0 with the factors."""
    if update.magnitude is None:
        return "lora"
    if update.by_column:  # of a convolution the channels may be those of groups
        return f"dora-of-{update.magnitude.shape[0]}-columns"
    return "dora" if update.norm_scaling is None else "dora-of-other-norms"


def _parts(pattern: str) -> list[str]:
    """Of its path, without the word for the whole model that stands before it in a file of several."""
    parts = pattern.partition("@")[0].split(".")
    return parts[1:] if len(parts) > 2 and parts[0] in _WHOLE else parts


def _unfused(
    pattern: str,
    one: Member,
    config: Mapping[str, Any] | None,
    split_c_attn: Callable[[str], bool] | None,
) -> dict[str, FusedRows | None]:
    """The roles of a fused projection, each with its rows; else the module itself, with all."""
    if one.update.role:
        return {pattern: one.update.role[1]}
    path, at, label = pattern.partition("@")
    parent, dot, last = path.rpartition(".")
    if config is None and last == "c_attn" and (split_c_attn is None or split_c_attn(one.path)):
        config = {"model_type": "gpt2"}
    found = fused.parts(last, *_shape(one.update), config or {})
    return {f"{parent}{dot}{role}{at}{label}": part for role, part in found.items()} or {
        pattern: None
    }
