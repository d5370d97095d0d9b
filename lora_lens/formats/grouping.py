"""Updates by module path → groups that are stacked: one module over its layers, all of one shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..adapter import Part
from ..bases import fused
from ..files.names import short_names, split_layer
from ..updates import LowRank


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
    part: Part | None


def group_by_module(
    updates: Mapping[str, LowRank],
    *,
    config: Mapping[str, Any] | None = None,
    split_c_attn: Callable[[str], bool] | None = None,
) -> list[Group]:
    """The groups, by name; every update is in one, or in one a role of a fused projection.

    Layers whose shapes differ make no stack. Where their paths hold a second number (Swin's
    ``layers.2.blocks.5``, a U-Net's ``down_blocks.1.attentions.0``), that one becomes the layer, and
    the first is named: ``query@layers-2``. Else they are grouped by shape: ``q_proj@2048x1024``.
    A module in no numbered layer (``lm_head``) is a group of its own.

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
    by_pattern = _told_apart(by_pattern)
    roles: dict[str, tuple[list[Member], Part | None]] = {}
    for pattern, members in by_pattern.items():
        for name, part in _unfused(pattern, members[0], config, split_c_attn).items():
            # A module of the role's own name beside the fused one keeps it.
            roles[pattern if name in by_pattern else name] = (members, part)
    names = short_names(roles)
    groups = [
        Group(names[pattern], pattern, tuple(sorted(members, key=lambda m: m.layer)), part)
        for pattern, (members, part) in roles.items()
    ]
    return sorted(groups, key=lambda group: group.module)


def _all_starred(path: str) -> str:
    return ".".join("*" if part.isdecimal() else part for part in path.split("."))


def _shape(update: LowRank) -> tuple[int, int]:
    """Of ΔW: rows and columns."""
    return update.b.shape[0], update.a.shape[1]


def _of_one_shape(paths: Sequence[str], updates: Mapping[str, LowRank]) -> dict[str, list[Member]]:
    """Pattern → members of one family, by the first of its numbers that leaves patterns of one shape."""
    by_first: dict[str, list[Member]] | None = None
    for place in range(paths[0].count(".") + 1):
        found: dict[str, list[Member]] = {}
        for path in paths:
            split = _split(path, place)
            if split is None:
                break
            found.setdefault(split[0], []).append(Member(split[1], path, updates[path]))
        else:
            by_first = by_first or found
            if all(len({_shape(m.update) for m in members}) == 1 for members in found.values()):
                return found
            continue
        break
    return _by_shape(by_first or {path: [Member(0, path, updates[path])] for path in paths})


def _split(path: str, place: int) -> tuple[str, int] | None:
    """Pattern and layer, the layer being the number `place` numbers after the one that people mean."""
    first = split_layer(path)
    if first is None:
        return (path, 0) if place == 0 else None
    if place == 0:
        return first
    parts = path.split(".")
    start = first[0].split(".").index("*")
    later = [k for k in range(start + 1, len(parts)) if parts[k].isdecimal()]
    if len(later) < place:
        return None
    position = later[place - 1]
    fixed = [f"{parts[k - 1]}-{parts[k]}" for k in [start, *later[: place - 1]]]
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
    labelled = [pattern.partition("@")[0].split(".") for pattern in patterns if "@" in pattern]
    stacks = {(parts[0], parts[-1]) for parts in labelled}
    modules = {module for _, module in stacks}
    found = {}
    for pattern, members in patterns.items():
        first, last = pattern.split(".")[0], pattern.rpartition(".")[2]
        alone = "*" not in pattern or last not in modules or (first, last) in stacks
        found[pattern if alone else f"{pattern}@{first}"] = members
    return found


def _unfused(
    pattern: str,
    one: Member,
    config: Mapping[str, Any] | None,
    split_c_attn: Callable[[str], bool] | None,
) -> dict[str, Part | None]:
    """The roles of a fused projection, each with its rows; else the module itself, with all."""
    path, at, label = pattern.partition("@")
    parent, dot, last = path.rpartition(".")
    if config is None and last == "c_attn" and (split_c_attn is None or split_c_attn(one.path)):
        config = {"model_type": "gpt2"}
    found = fused.parts(last, *_shape(one.update), config or {})
    return {f"{parent}{dot}{role}{at}{label}": part for role, part in found.items()} or {
        pattern: None
    }
