"""What people call the projections of attention, and what models do: one table."""

from __future__ import annotations

# Tails of module paths that do one job. Where a name does other jobs too in some models (T5's `wo` and
# BERT's `output.dense` are feed-forward), only a tail that tells is here.
ROLES: dict[str, tuple[str, ...]] = {
    "query": ("query", "q_proj", "q_lin", "q", "query_proj", "to_q", "wq", "linear_q"),
    "key": ("key", "k_proj", "k_lin", "k", "key_proj", "to_k", "wk", "linear_k"),
    "value": ("value", "v_proj", "v_lin", "v", "value_proj", "to_v", "wv", "linear_v"),
    "output": (
        "o_proj",
        "out_proj",
        "out_lin",
        "o",
        "to_out.0",
        "linear_out",
        "attention.output.dense",
        "attention.wo",
        "attn.Wo",
        "attn.c_proj",
        "attn.proj",
        "attention.dense",
        "self_attention.dense",
        "self_attn.dense",
    ),
}


def same_job(requested: str) -> tuple[str, ...]:
    """Every tail of a path that does the job of `requested`, itself first; itself alone where it has no role.

    Example:
        >>> same_job("v_proj")[:3]
        ('v_proj', 'value', 'v_lin')
        >>> same_job("fc1")
        ('fc1',)
    """
    tails = next((t for role, t in ROLES.items() if requested == role or requested in t), ())
    return (requested, *(tail for tail in tails if tail != requested))
