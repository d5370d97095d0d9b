"""How many tokens of a row a model is given: as many as are asked for, and no more than it has positions."""

from __future__ import annotations

import warnings
from typing import Any

from torch import nn

from ..errors import SettingsError
from .models import Classifier
from .settings import LONGEST

# How the names of learned positions end.
_TABLES = ("position_embeddings", "embed_positions", "wpe")


class ShorterWarning(UserWarning):
    """Rows are cut where the base model's positions end, before the default length."""


def own_length(model: nn.Module) -> int | None:
    """Tokens that a model has learned positions for; None where its positions are relative or rotary.

    RoBERTa and MPNet begin to count behind the sign for padding, and BART and OPT have two lines that no
    token has: these have fewer than ``max_position_embeddings`` says, or a longer table.

    Example:
        >>> class Roberta(nn.Module):
        ...     def __init__(self) -> None:
        ...         super().__init__()
        ...         self.position_embeddings = nn.Embedding(514, 4, padding_idx=1)
        >>> own_length(Roberta()), own_length(nn.Linear(2, 2))
        (512, None)
    """
    lengths = [
        module.num_embeddings - _unused(module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding) and name.rpartition(".")[2] in _TABLES
    ]
    if not lengths:
        return None
    # Nystromformer's table has two lines more.
    return min(*lengths, _configured(model) or lengths[0])


def _unused(table: nn.Embedding) -> int:
    offset = int(getattr(table, "offset", 0))
    return offset if table.padding_idx is None else max(offset, table.padding_idx + 1)


def _configured(model: Any) -> int | None:
    found = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    return None if found is None else int(found)


def checked_length(
    asked: int, classifier: Classifier, base: str, *, pairs: bool, given: bool = True
) -> int:
    """`asked`, or the model's own length where it is shorter than what nobody gave, which is said.

    Args:
        asked: Tokens a row, its special ones among them.
        classifier: Of the base model.
        base: Its name.
        pairs: Whether a row is two texts.
        given: Whether a person asked for it, but by the default; not where a run's record says it.

    Raises:
        SettingsError: No token of a text is left beside the special ones, or more are asked for than
            the model has positions.
    """
    special = classifier.tokenizer.num_special_tokens_to_add(pair=pairs)
    if asked <= special:
        raise SettingsError(
            f"--max-length is {asked}, and the tokenizer of {base} adds {special} tokens to {'a pair' if pairs else 'a text'}; "
            f"expected at least {special + 1}"
        )
    own = own_length(classifier.model)
    if own is None or asked <= own:
        return asked
    said = _said(classifier.model, own)
    if given and asked != LONGEST:
        raise SettingsError(
            f"--max-length is {asked}, and {base} has positions for {own} tokens{said}; "
            f"expected at most {own}"
        )
    warnings.warn(
        f"{base} has positions for {own} tokens{said}: longer rows are cut there, not at {asked}",
        ShorterWarning,
        stacklevel=3,
    )
    return own


def _said(model: Any, own: int) -> str:
    configured = _configured(model)
    if configured is None:
        return ""
    but = f", {configured - own} of them for no token" if configured > own else ""
    return f" (max_position_embeddings is {configured}{but})"
