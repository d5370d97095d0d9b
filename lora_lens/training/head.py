"""Where a new head's answers begin."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .data import Example


def centre_head(model: nn.Module, rows: Sequence[Example]) -> bool:
    """Begin a regression at the mean label of `rows`; whether there was a bias to set.

    A head that begins at 0 while the labels are about 2.7 spends its first epochs on that difference.
    On STS-B runs then stand on a plateau, at a correlation of about 0.3, for one epoch or four,
    whichever the method, and a score after few epochs tells when a run left it.
    """
    last = [
        layer
        for layer in model.modules()
        if isinstance(layer, nn.Linear)
        and layer.out_features == 1
        and layer.bias is not None
        and layer.bias.requires_grad
    ]
    mean = sum(row.label for row in rows) / len(rows)
    with torch.no_grad():
        for layer in last:
            layer.bias.fill_(mean)
    return bool(last)
