"""Fused projections: which rows of one matrix are the query's, the key's and the value's.

The order of the rows is the model's: thirds below each other, or every head's own. It is known by the
``model_type`` and the sizes in the base's ``config.json``; where it is not, nothing is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ..adapter import FusedRows

Config = Mapping[str, Any]


class Layout(NamedTuple):
    """`blocks` equal blocks below each other, in each of which the roles have so many rows, in order."""

    blocks: int
    rows: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """Rows of the whole matrix."""
        return self.blocks * sum(count for _, count in self.rows)

    def parts(self) -> dict[str, FusedRows]:
        """Role to its rows."""
        block, start, found = sum(count for _, count in self.rows), 0, {}
        for role, count in self.rows:
            found[role] = FusedRows(start, start + count, block, self.blocks)
            start += count
        return found


def _thirds(_: Config, rows: int, columns: int) -> Layout | None:
    """Query, key and value, each as wide as the input, below each other."""
    return _in_turn(columns, columns) if rows == 3 * columns else None


def _gpt2(config: Config, rows: int, columns: int) -> Layout | None:
    """Thirds; key and value alone in cross-attention, where the query has a matrix of its own."""
    if rows == 2 * columns:
        return Layout(1, (("key", columns), ("value", columns)))
    return _thirds(config, rows, columns)


def _of_each_head(config: Config, rows: int, _: int) -> Layout | None:
    """Every head's query, key and value, one head after another."""
    heads = _number(config, "num_attention_heads", "n_head")
    if heads is None or rows % (3 * heads):
        return None
    return _in_turn(rows // (3 * heads), rows // (3 * heads), blocks=heads)


def _grouped(config: Config, _: int, columns: int) -> Layout | None:
    """All queries, then the fewer keys, then as many values."""
    heads = _number(config, "num_attention_heads", "n_heads")
    attention = config.get("attn_config")
    own = attention if isinstance(attention, Mapping) else config
    groups = _number(own, "num_key_value_heads", "kv_n_heads")
    if heads is None or groups is None:
        return None
    head = _number(config, "head_dim")
    if head is None and columns % heads:
        return None
    head = head or columns // heads
    return _in_turn(heads * head, groups * head)


def _falcon(config: Config, rows: int, columns: int) -> Layout | None:
    """Grouped with its keys in the new architecture, one key for all in the 7B, else each head's own."""
    heads = _number(config, "num_attention_heads", "n_head")
    if heads is None or columns % heads:
        return None
    head = columns // heads
    if config.get("new_decoder_architecture"):
        groups = _number(config, "num_kv_heads", "n_head_kv")
        if groups is None or heads % groups:
            return None
        return _in_turn(heads // groups * head, head, blocks=groups)
    if config.get("multi_query", True):
        return _in_turn(columns, head)
    return _of_each_head(config, rows, columns)


def _bigcode(config: Config, rows: int, columns: int) -> Layout | None:
    """One key for all heads, or each head's own."""
    heads = _number(config, "num_attention_heads", "n_head")
    if heads is None or columns % heads or not isinstance(config.get("multi_query"), bool):
        return None
    if config["multi_query"]:
        return _in_turn(columns, columns // heads)
    return _of_each_head(config, rows, columns) if rows == 3 * columns else None


def _codegen(_: Config, rows: int, columns: int) -> Layout | None:
    """Four blocks, as it was trained on four devices, and the value before the key."""
    if rows != 3 * columns or rows % 12:
        return None
    each = columns // 4
    return Layout(4, (("query", each), ("value", each), ("key", each)))


def _in_turn(query: int, key: int, *, blocks: int = 1) -> Layout:
    return Layout(blocks, (("query", query), ("key", key), ("value", key)))


def _number(config: Config, *names: str) -> int | None:
    """The first of these settings that is a whole number above 0."""
    values = (config.get(name) for name in names)
    return next(
        (v for v in values if isinstance(v, int) and not isinstance(v, bool) and v > 0), None
    )


_Cut = Callable[[Config, int, int], Layout | None]

# Name of the module, types of the models, and their layout.
_LAYOUTS: tuple[tuple[str, str, _Cut], ...] = (
    ("query_key_value", "gpt_neox gpt_neox_japanese bloom persimmon", _of_each_head),
    ("query_key_value", "falcon", _falcon),
    ("Wqkv", "modernbert mpt", _thirds),
    ("Wqkv", "dbrx", _grouped),
    ("qkv_proj", "phi3", _grouped),
    ("qkv_proj", "codegen", _codegen),
    ("c_attn", "gpt2 openai-gpt imagegpt decision_transformer", _gpt2),
    ("c_attn", "gpt_bigcode", _bigcode),
    (
        "qkv",
        "blip_vision_model blip_2_vision_model instructblip_vision_model qwen2_vl qwen2_vl_vision "
        "qwen2_5_vl qwen2_5_vl_vision",
        _thirds,
    ),
)
NAMES = frozenset(name for name, _, _ in _LAYOUTS)


def parts(module: str, rows: int, columns: int, config: Config) -> dict[str, FusedRows]:
    """Role to its rows of a fused projection; empty where the layout is not known, or does not fit.

    Args:
        module: Last component of its path: ``query_key_value``.
        rows, columns: Of W0, and so of ΔW.
        config: The base's configuration, with those of the models in it.

    Example:
        >>> falcon = {"model_type": "falcon", "num_attention_heads": 4, "multi_query": True}
        >>> found = parts("query_key_value", 48, 32, falcon)
        >>> [(role, part.start, part.stop) for role, part in found.items()]
        [('query', 0, 32), ('key', 32, 40), ('value', 40, 48)]
        >>> parts("query_key_value", 48, 32, {"model_type": "unheard-of"})
        {}
    """
    found = {
        layout
        for one in _models(config)
        for name, models, cut in _LAYOUTS
        if name == module
        and one["model_type"] in models.split()
        and (layout := cut(one, rows, columns)) is not None
    }
    # Two models of one checkpoint that cut the same matrix otherwise: which is it?
    if len(found) != 1:
        return {}
    (only,) = found
    return only.parts() if only.total == rows else {}


def _models(config: Config) -> Iterator[Config]:
    """The configuration and those in it that name a model."""
    if isinstance(config.get("model_type"), str):
        yield config
    for inner in config.values():
        if isinstance(inner, Mapping):
            yield from _models(inner)
