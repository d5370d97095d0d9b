"""Names of tensors and modules: which layer, what a person calls it, and which names are refused."""

from .called import find_module, names_apart, short_names
from .order import natural
from .paths import (
    LAYER_WORDS,
    counts_blocks,
    in_layers,
    is_number,
    no_layer,
    split_layer,
    tails,
)
from .refused import MOST_NAMES, check_names, too_many_names
from .roles import ROLES, same_job

__all__ = [
    "LAYER_WORDS",
    "MOST_NAMES",
    "ROLES",
    "check_names",
    "counts_blocks",
    "find_module",
    "in_layers",
    "is_number",
    "names_apart",
    "natural",
    "no_layer",
    "same_job",
    "short_names",
    "split_layer",
    "tails",
    "too_many_names",
]
