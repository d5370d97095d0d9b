"""Of how many experts a stack's factors are: PEFT saves no count, and rows by the configuration's rank may give another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ...bases.experts import is_stack, path_of_expert
from ...bases.weights import BaseWeights
from ...errors import AdapterError, LensError
from ..adapter_files import AdapterFiles
from .automodel import FILE, automodels
from .experts import named_in_peft
from .no_update import why_no_stack
from .patterns import patterns_of
from .settings import Scaling, matched_twice

_WAY_OUT = (
    "PEFT sorts rank_pattern when it saves, so that another entry may have been the first in training: leave in "
    "adapter_config.json the one that the stack was trained by"
)


def check_counts(
    files: AdapterFiles,
    factors: Mapping[str, Mapping[str, str]],
    parameters: Mapping[str, str],
) -> None:
    """Refuse stacks of which the configuration's rank makes a number of experts that is not, or may not be, theirs.

    A model in memory has its patterns in the order of training.

    Args:
        files: Of the adapter.
        factors: All its paths, with their tensors A and B.
        parameters: From `parameters_of`.

    Raises:
        AdapterError: Two entries say a stack's rank; or it has another number of experts than the base, or, where
            that is not here, than those of its module and of other layers.
    """
    if files.live is not None or not parameters:
        return
    _check_automodels(files, parameters.values())
    scaling, base = Scaling(files.config), _base_here(files)
    others: dict[str, tuple[int, str]] = {}
    for path, parameter in parameters.items():
        named = named_in_peft(path, parameter)
        rows, rank = next(iter(files.shape(factors[path]["A"])), 0), scaling.rank(named)
        count, rest = divmod(rows, rank)
        if count == 1 and not rest and not is_stack(parameter):
            continue
        divided = count and not rest and not why_no_stack(files, path, parameter, rows)
        told = _as_in_base(base, parameter, count) if base and divided else None
        if told:
            continue
        if matched_twice(files.config, [named], "rank_pattern"):
            raise AdapterError(
                f"{named} has factors of {rows} rows, and two entries of rank_pattern with different ranks match it, of which "
                f"the first, {rank}, need not be its own: {_WAY_OUT}"
            )
        if not divided:
            continue
        if base and told is False:
            raise AdapterError(
                f"{named} has factors of {rows} rows, {count} experts of the rank {rank} that adapter_config.json says, but "
                f"{base.source} has another number of them: is it the adapter's base model? If it is, {_WAY_OUT}"
            )
        layers = re.sub(r"(?<![^.])[0-9]+(?![^.])", "*", parameter.rpartition(".")[0])
        other, of = others.setdefault(layers, (count, named))
        if other != count:
            raise AdapterError(
                f"{named} has factors of {count} experts and {of} of {other}, by the ranks that adapter_config.json says; "
                f"expected as many: pass --base if the model has so many; if not, {_WAY_OUT}"
            )


def _check_automodels(files: AdapterFiles, parameters: Iterable[str]) -> None:
    """NeMo AutoModel trains experts with a rank of their own, which its `adapter_config.json` does not have."""
    if not automodels(files).get("moe_rank_scaling"):
        return
    patterns = patterns_of(files.config.get("rank_pattern"))
    for parameter in parameters:
        if is_stack(parameter) and patterns.of(parameter, None) is None:
            raise AdapterError(
                f"{files.source} was trained by NeMo AutoModel with moe_rank_scaling ({FILE}), under which experts have a rank of "
                f"r // (experts per token), and adapter_config.json says r {files.config.get('r')} of all: put that rank of "
                f"{parameter.rpartition('.')[2]} and of each other such name into its rank_pattern"
            )


def _base_here(files: AdapterFiles) -> BaseWeights | None:
    try:
        return files.open_base(download=False)
    except LensError:
        return None


def _as_in_base(base: BaseWeights, parameter: str, count: int) -> bool | None:
    """Whether the base's stack has so many experts; None where it has no such stack."""
    if not base.holds(path_of_expert(parameter, 0)):
        return None
    last, more = (base.holds(path_of_expert(parameter, k)) for k in (count - 1, count))
    return last and not more
