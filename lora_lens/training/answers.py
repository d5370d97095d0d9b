"""A model's outputs → its answers, one row of the data a row and one class a column."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


def logits_of(outputs: Tensor | tuple[Any, ...], labels: Tensor) -> Tensor:
    """The logits among what a model gives beside its loss, (row, class); one column for a regression.

    Encoder-decoders give their encoder's states and more beside them, which would be gathered over a
    whole set; DeBERTa's are flat where there is one label.

    Args:
        outputs: The logits, or a tuple that begins with them.
        labels: Of the rows, (row,).

    Example:
        >>> import torch
        >>> flat, labels = torch.tensor([0.5, 2.0]), torch.tensor([1.0, 2.0])
        >>> logits_of((flat, torch.zeros(2, 7, 4)), labels).shape
        torch.Size([2, 1])
    """
    logits: Tensor = outputs[0] if isinstance(outputs, tuple) else outputs
    return logits.reshape(len(labels), -1)


def taken_by(model: nn.Module, batch: Mapping[str, Any]) -> dict[str, Any]:
    """What of a batch the base model takes: tokenizers give ``token_type_ids``, and not every model has a use for them.

    The Trainer does the same.
    """
    taken = inspect.signature(model.forward).parameters
    return {name: value for name, value in batch.items() if name in taken}
