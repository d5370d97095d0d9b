"""The numbers of one step: norms and ranks of ΔW, φ of its factors to the start and to the log before.

Of each stack r×r Gram matrices are made where the model is, and all of them fetched at once; the rest
is done on the CPU in float64.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...core.numbers.either import in_float64
from ...core.similarity.grams import Columns, columns_of, product_values
from ...core.spectra.spectrum import effective_rank, stable_rank
from ...files.saving import save_tensors
from ...plain_torch import in_plain_torch
from ...staging import staged
from .references import NEVER, Reference, nothing_yet, restore, saved
from .stacks import Stack

FACTORS = ("A", "B")
STATE_NAME = "spectral_callback.safetensors"
Numbers = dict[str, dict[str, float]]


class _Looked(NamedTuple):
    """One factor of a stack at one step: its Gram matrices, with itself and with its references."""

    tall: Float[Tensor, "layer d r"]
    gram: Float[Tensor, "layer r r"]
    to_first: Float[Tensor, "layer r r"]
    to_last: Float[Tensor, "layer r r"]


class LayerBases(NamedTuple):
    """Layers of a module in their order, and orthonormal bases of each one's factors."""

    layers: tuple[int, ...]
    a: tuple[Float[Tensor, "in _"], ...]
    b: tuple[Float[Tensor, "out _"], ...]

    @property
    def comparable(self) -> bool:
        """Whether there are two layers or more, and a subspace of one space in each."""
        return len(self.layers) > 1 and all(
            len({one.shape[0] for one in own}) == 1 and all(one.shape[1] for one in own)
            for own in (self.a, self.b)
        )


class Measuring:
    """A model's stacks, and what each of their factors is compared with.

    Args:
        stacks: Of the model.
        step: That the run begins, or goes on, with.
    """

    @in_plain_torch
    def __init__(self, stacks: Sequence[Stack], step: int) -> None:
        self.stacks = tuple(stacks)
        talls = [{factor: stack.tall(factor) for factor in FACTORS} for stack in self.stacks]
        self._first, self._last = (
            [{factor: nothing_yet(tall[factor]) for factor in FACTORS} for tall in talls]
            for _ in range(2)
        )
        self.look(step)

    @in_plain_torch
    @torch.no_grad()
    def look(self, step: int) -> Numbers:
        """Module, or ``all``, to the names of numbers and their means over layers, as they are at `step`.

        What is there is what the next look is compared with. A number that no layer has is left out.
        """
        looked = [
            {factor: self._looked(k, factor) for factor in FACTORS} for k in range(len(self.stacks))
        ]
        small = _fetched([part for one in looked for factor in FACTORS for part in one[factor][1:]])
        by_module: dict[str, list[dict[str, Tensor]]] = {}
        for k, stack in enumerate(self.stacks):
            own = {
                factor: small[3 * (2 * k + n) : 3 * (2 * k + n) + 3]
                for n, factor in enumerate(FACTORS)
            }
            talls = {factor: looked[k][factor].tall for factor in FACTORS}
            found = self._of_stack(k, own, talls, step)
            by_module.setdefault(stack.members[0].module, []).append(found)
        numbers = {module: self._means(parts) for module, parts in by_module.items()}
        numbers["all"] = self._means(list(chain.from_iterable(by_module.values())))
        return numbers

    def _looked(self, k: int, factor: str) -> _Looked:
        tall = self.stacks[k].tall(factor)
        wide = _on_a_wide_device(tall)
        first, last = (
            _on_a_wide_device(kept[k][factor].tall) for kept in (self._first, self._last)
        )
        return _Looked(tall, wide.mT @ wide, first.mT @ wide, last.mT @ wide)

    def _of_stack(
        self,
        k: int,
        small: Mapping[str, Sequence[Tensor]],
        talls: Mapping[str, Tensor],
        step: int,
    ) -> dict[str, Tensor]:
        stack = self.stacks[k]
        now: dict[str, Columns] = {}
        found: dict[str, Tensor] = {}
        for factor in FACTORS:
            gram, to_first, to_last = small[factor]
            now[factor] = columns_of(gram, talls[factor].shape[-2])
            first, last = self._first[k][factor], self._last[k][factor]
            found[f"phi_{factor}_to_first"] = first.phi(now[factor], to_first, step)
            found[f"phi_{factor}_to_last"] = last.phi(now[factor], to_last, step)
            first.take(talls[factor], now[factor], step, first.steps == NEVER)
            last.take(
                talls[factor], now[factor], step, torch.ones_like(last.steps, dtype=torch.bool)
            )
            found[f"{factor}_first_step"] = torch.where(
                first.steps == NEVER, torch.nan, first.steps.double()
            )
        scaling = torch.tensor([abs(one.scaling()) for one in stack.members], dtype=torch.float64)
        s = scaling[:, None] * product_values(now["B"], now["A"])
        spectral = s.amax(-1)
        zero = spectral == 0
        return found | {
            "frobenius_norm": s.square().sum(-1).sqrt(),
            "spectral_norm": spectral,
            "stable_rank": torch.where(zero, torch.nan, stable_rank(s)),
            "effective_rank": torch.where(zero, torch.nan, effective_rank(s)),
        }

    def _means(self, parts: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
        """Means over the layers that have the number; the start is called so where it is one."""
        means = {name: _mean([part[name] for part in parts]) for name in parts[0]}
        for factor in FACTORS:
            began = torch.cat([part[f"{factor}_first_step"] for part in parts])
            means.pop(f"{factor}_first_step")
            if bool((began == 0).all()):
                means[f"phi_{factor}_to_start"] = means.pop(f"phi_{factor}_to_first")
            elif bool(began.isfinite().any()):
                means[f"phi_{factor}_first_step"] = float(began[began.isfinite()].max())
        return {name: value for name, value in means.items() if math.isfinite(value)}

    @torch.no_grad()
    def bases(self) -> dict[str, LayerBases]:
        """Module → an orthonormal basis of each layer's row space of A and column space of B.

        Only of modules with two or more numbered layers, all of one shape, none with a zero factor.
        """
        found: dict[str, list[tuple[int, Tensor, Tensor]]] = {}
        for stack in self.stacks:
            a, b = (_bases(stack.tall(factor)) for factor in FACTORS)
            numbers = [-1 if one.layer is None else one.layer for one in stack.members]
            found.setdefault(stack.members[0].module, []).extend(zip(numbers, a, b, strict=True))
        ordered = {
            module: LayerBases(*map(tuple, zip(*sorted(own, key=lambda one: one[0]), strict=True)))
            for module, own in found.items()
        }
        return {module: own for module, own in ordered.items() if own.comparable}

    def save(self, folder: Path) -> None:
        """Keep what a resumed run compares with, beside a checkpoint's own files."""
        tensors: dict[str, Tensor] = {}
        steps: dict[str, int] = {}
        for name, reference, stack in self._references():
            for key, tensor, step in saved(stack, name, reference):
                tensors[key], steps[key] = tensor, step
        with staged(folder) as whole:
            save_tensors(tensors, whole / STATE_NAME, {"steps": json.dumps(steps)})

    def restore(self, folder: Path) -> bool:
        """Go on with what `save` kept; whether there was something that fits."""
        try:
            with safe_open(folder / STATE_NAME, framework="pt") as file:
                steps = json.loads(file.metadata()["steps"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return False
        if not tensors or not self._fits(tensors) or steps.keys() != tensors.keys():
            return False
        for name, reference, stack in self._references():
            restore(stack, name, reference, tensors, steps)
        return True

    def _fits(self, tensors: Mapping[str, Tensor]) -> bool:
        shapes = {
            f"{one.path}.{name}": reference.tall.shape[1:]
            for name, reference, stack in self._references()
            for one in stack.members
        }
        return all(name in shapes and t.shape == shapes[name] for name, t in tensors.items())

    def _references(self) -> list[tuple[str, Reference, Stack]]:
        return [
            (f"{factor}.{name}", kept[k][factor], stack)
            for k, stack in enumerate(self.stacks)
            for factor in FACTORS
            for name, kept in (("first", self._first), ("last", self._last))
        ]


def _bases(tall: Float[Tensor, "layer d r"]) -> list[Float[Tensor, "d _"]]:
    wide = _on_a_wide_device(tall)
    columns = columns_of((wide.mT @ wide).cpu(), wide.shape[-2])
    whole = wide @ columns.whitening.to(wide)
    return [one[:, :rank] for one, rank in zip(whole, columns.rank.tolist(), strict=True)]


def _on_a_wide_device(tall: Tensor) -> Tensor:
    """In float64, on the CPU where the device has none."""
    return in_float64(tall.cpu() if tall.device.type == "mps" else tall)


def _fetched(parts: Sequence[Tensor]) -> list[Tensor]:
    """All of them on the CPU, by one copy a device: each is waited for."""
    found: dict[int, Tensor] = {}
    devices = dict.fromkeys(part.device for part in parts)
    for device in devices:
        here = [k for k, part in enumerate(parts) if part.device == device]
        flat = torch.cat([parts[k].flatten() for k in here]).cpu()
        for k, piece in zip(here, flat.split([parts[k].numel() for k in here]), strict=True):
            found[k] = piece.view(parts[k].shape)
    return [found[k] for k in range(len(parts))]


def _mean(parts: Sequence[Tensor]) -> float:
    """Of all layers that have the number; NaN where none has."""
    return float(torch.cat([*parts]).nanmean())
