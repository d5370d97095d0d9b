"""What a factor is compared with: itself at the start, and at the log before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ...core.similarity.grams import Columns, columns_of, phi_of_columns
from .stacks import Stack

NEVER = -1


@dataclass
class Reference:
    """A stack's factor as it was, a step for each layer.

    Attributes:
        tall: In the dtype and on the device of the model.
        steps: When each layer was as it is here; `NEVER` where its factor has been zero so far.
        columns: Of each layer, on the CPU.
    """

    tall: Float[Tensor, "layer d r"]
    steps: Int[Tensor, " layer"]
    columns: Columns

    def phi(
        self, now: Columns, cross: Float[Tensor, "layer r r"], step: int
    ) -> Float[Tensor, " layer"]:
        """φ to what is now; NaN where there is no reference from before `step`, or the factor is zero."""
        return torch.where(
            (self.steps != NEVER) & (self.steps < step),
            phi_of_columns(self.columns, now, cross),
            torch.nan,
        )

    def take(
        self, tall: Float[Tensor, "layer d r"], now: Columns, step: int, where: Tensor
    ) -> None:
        """Keep these layers as they are now, those that are zero excepted."""
        where = where & (now.rank > 0)
        if not bool(where.any()):
            return
        there = where.to(tall.device)[:, None, None]
        self.tall = torch.where(there, tall, self.tall)
        self.steps = torch.where(where, step, self.steps)
        root, whitening = (
            torch.where(where[:, None, None], new, old)
            for new, old in zip(now[:2], self.columns[:2], strict=True)
        )
        self.columns = Columns(root, whitening, torch.where(where, now.rank, self.columns.rank))


def nothing_yet(tall: Float[Tensor, "layer d r"]) -> Reference:
    """A reference of no layer."""
    layers, rows, rank = tall.shape
    none = torch.zeros(layers, rank, rank, dtype=torch.float64)
    return Reference(
        torch.zeros_like(tall),
        torch.full((layers,), NEVER, dtype=torch.int64),
        columns_of(none, rows),
    )


def saved(stack: Stack, name: str, reference: Reference) -> Iterator[tuple[str, Tensor, int]]:
    """What a checkpoint keeps of it, layer by layer: name, numbers, step."""
    for one, tall, step in zip(stack.members, reference.tall, reference.steps, strict=True):
        if step != NEVER:
            yield f"{one.path}.{name}", tall.detach().cpu().contiguous().clone(), int(step)


def restore(
    stack: Stack,
    name: str,
    reference: Reference,
    tensors: Mapping[str, Tensor],
    steps: Mapping[str, int],
) -> None:
    """Give a reference back what `saved` kept, of layers of the same names and shapes, and nothing else."""
    reference.steps.fill_(NEVER)
    tall = torch.zeros_like(reference.tall)
    for k, one in enumerate(stack.members):
        key = f"{one.path}.{name}"
        if key in tensors:
            tall[k] = tensors[key].to(tall)
            reference.steps[k] = steps[key]
    wide = tall.cpu().double()
    reference.tall, reference.columns = tall, columns_of(wide.mT @ wide, wide.shape[-2])
