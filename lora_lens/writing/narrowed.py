"""One module → its nearest of a lower rank: new tensors, and what that costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ..core.factors.truncation import distance, ordered
from ..core.spectra.energy import rank_for_energy
from ..errors import AdapterError
from ..formats.adapter_files import AdapterFiles
from ..updates import LowRank
from .resized import ResizedModule
from .scales import NewRank

# Of a product before or after its point, so that sums of its squares are in float64.
_MOST_DIGITS = 140
_WITHIN_ATTENTION = ".base_layer.out_proj."


class Narrowed(NamedTuple):
    """What a module becomes: its new tensors, its new rank and scale, and what that costs."""

    tensors: dict[str, Tensor]
    rank: NewRank
    told: ResizedModule


def narrowed(
    files: AdapterFiles,
    path: str,
    update: LowRank,
    rank: int | None,
    energy: float | None,
) -> Narrowed:
    """A module at the least rank that `energy` takes, and no more than `rank`; as it is where that is its own.

    Raises:
        AdapterError: Its numbers are beyond what can be squared in float64, or the new ones beyond the file's dtype.
    """
    stored_b, stored_a = update.b.read(), update.a.read()
    whole_b, whole_a = stored_b.double(), stored_a.double()
    _check_size(path, whole_b.abs().max().item(), whole_a.abs().max().item())
    b, a, s = ordered(whole_b, whole_a)
    trained = len(stored_a)
    wanted = trained if rank is None else min(rank, trained)
    if energy is not None:
        wanted = min(wanted, max(1, int(rank_for_energy(s, float(energy)))))
    new = _new_rank(files, update, wanted)
    share = update.scaling / new.scaling if new.scaling else 1.0
    if wanted == trained:
        b, a = stored_b, stored_a
    else:
        b, a = (math.sqrt(share) * x for x in (b[:, :wanted], a[:wanted]))
        b, a = b.to(stored_b.dtype), a.to(stored_a.dtype)
    if not all(bool(torch.isfinite(x).all()) for x in (b, a)):
        raise AdapterError(f"ΔW of {path} is beyond {stored_b.dtype} once it is balanced")
    error = distance(whole_b, whole_a, b.double() / share, a.double()).item()
    tensors = {
        update.a.name: a.reshape(wanted, *files.shape(update.a.name)[1:]).contiguous(),
        update.b.name: b.reshape(len(b), wanted, *files.shape(update.b.name)[2:]).contiguous(),
    }
    for alpha in set(update.tensors) - tensors.keys():
        tensors[alpha] = _with_alpha(files.tensors.get(alpha), new.alpha)
    norm, size = torch.linalg.vector_norm(s).item(), abs(update.scaling)
    told = ResizedModule(path, trained, wanted, size * norm, size * error, len(b) + a.shape[1])
    for factor in (update.a, update.b):
        factor.release()
    return Narrowed(tensors, new, told)


def _new_rank(files: AdapterFiles, update: LowRank, rank: int) -> NewRank:
    """Its rank and scale: s as it is; or α as it is, of an image model's file that has a tensor of it.

    Diffusers (0.42) finds no α of a U-Net's attention layer in kohya's file where it differs from most others', and takes
    theirs: α that are alike stay alike. Beside a bias of B, which s scales too and which stays, s stays.
    """
    trained = update.a.shape[0]
    whole = update.scaling * trained
    alphas = set(update.tensors) - {update.a.name, update.b.name}
    has_bias = f"{update.b.name.removesuffix('weight')}bias" in files.names
    # With rsLoRA's √r the header would have to go on saying it.
    alike = not has_bias and any(math.isclose(files.number(one), whole) for one in alphas)
    if alike and not files.config:
        return NewRank(rank, whole / rank)
    return NewRank(rank, update.scaling)


def _check_size(path: str, b: float, a: float) -> None:
    """Refuse factors, by their largest numbers, whose product has a square that float64 has no room for."""
    if b and a and not abs(math.log10(b) + math.log10(a)) < _MOST_DIGITS:
        raise AdapterError(
            f"the largest numbers of B and A of {path} are {b:.0e} and {a:.0e}, expected a product whose square float64 has room "
            f"for; no training gives such factors: is the file damaged?"
        )


def _with_alpha(old: Tensor, alpha: float) -> Tensor:
    """A tensor of α for another one: of its dtype where that holds α, else in float32, which loaders read as well."""
    found = torch.full_like(old, alpha)
    if math.isclose(found.flatten()[0].item(), alpha, rel_tol=1e-6):
        return found
    return torch.full_like(old, alpha, dtype=torch.float32)


def raised(updates: Mapping[str, LowRank], modules: Mapping[str, Narrowed]) -> dict[str, int]:
    """Module path → the rank that it takes from another one: PEFT has one for the two pairs of torch's MultiheadAttention."""
    found: dict[str, int] = {}
    for path, update in updates.items():
        around = path.rpartition(".")[0]
        if _WITHIN_ATTENTION not in update.a.name or around not in modules:
            continue
        pair = {one: modules[one].told.kept_rank for one in (path, around)}
        found |= {one: max(pair.values()) for one, k in pair.items() if k < max(pair.values())}
    return found
