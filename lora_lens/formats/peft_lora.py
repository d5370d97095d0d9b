"""LoRA as PEFT saves it: ``….lora_A.weight`` and ``….lora_B.weight`` beside ``adapter_config.json``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from ..adapter import Placement
from ..errors import AdapterError
from ..files.peft_names import plain
from ..several import counted
from ..updates import LowRank
from .adapter_files import AdapterFiles
from .factors.dora import with_magnitude
from .factors.factor_pairs import check_not_empty, check_partners, factors_by_path
from .format import Checkpoint, Format, of_factors
from .image.places import are_dotted, are_flattened
from .left_out import LeftOut
from .peft.adapted_heads import base_trained_too, without_copies
from .peft.blocks import whole
from .peft.dora import magnitudes_of, norms_said
from .peft.expert_columns import by_expert, columns_said, columns_unsaid
from .peft.expert_counts import check_counts
from .peft.expert_sides import sides_unsaid, turned_stacks
from .peft.experts import experts, named_in_peft, parameters_of
from .peft.initial import Initial, initial_of, initial_said, tied_said
from .peft.known import unknown_said
from .peft.mixtures import check_no_mixture
from .peft.moved_rows import moved_said
from .peft.names import module_of, reason_left_out, unwrapped_paths
from .peft.no_update import why_no_layer, why_no_sides, why_no_stack
from .peft.relora import merged_said
from .peft.replicas import copies
from .peft.said_elsewhere import contradicted, scale_said
from .peft.settings import (
    ZERO,
    Scaling,
    check_lora,
    matched_nowhere,
    matched_otherwise,
    twice_said,
)
from .peft.within import of_inner

_FACTOR = re.compile(
    r"(?P<path>.+)\.lora_(?:"
    r"(?P<factor>[AB])(?:\.(?P<adapter>[^.]+))?\.weight"
    r"|embedding_(?P<table>[AB])(?:\.(?P<adapter_of_table>[^.]+))?)"
)

# Names under which PEFT saves what a library of somebody's own has added to a layer.
_OF_LORA = re.compile(r"(^|[._])lora_")

# PEFT wraps torch's attention whole, and the projection in it once more.
_WITHIN_ATTENTION = ".base_layer.out_proj"
_TWICE = (
    "PEFT (0.17 to 0.21) adds the update of torch's MultiheadAttention's out_proj to W0 twice, in training as in "
    "merging: the ΔW that is shown of it is s·B·A, half of that"
)


def _matches(files: AdapterFiles) -> bool:
    # A file alone, without its configuration, may still say its scale by tensors of α.
    if not files.config:
        named = not are_flattened(files) and not are_dotted(files)
    else:
        named = files.config.get("peft_type") == "LORA"
    return named and any(_FACTOR.fullmatch(plain(name)) for name in files.names)


@dataclass
class _Reading:
    """What is read so far.

    Attributes:
        updates, left_out: As `of_factors` takes them.
        tables: Those of the updates that are of embeddings.
        convolutions: How many of them are of convolutions.
        stacks: Path of each stack that was read expert by expert to the columns of its A and the rows of its B.
    """

    updates: dict[str, LowRank] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    convolutions: int = 0
    stacks: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Beside:
    """What stands beside the factors, and how to read them by it.

    Attributes:
        alphas: Module path → the tensor that says its α, and α.
        magnitudes: Module path → the tensor of DoRA's magnitude.
        parameters: Path of a wrapped module → that of the stacked parameter that it adapts.
        turned: Of those stacks, whether A has the output's side.
        grouped: Those stacks whose B is expert by expert.
        paths: Every other path → that of the module itself.
        initial: The adapter that it began from, where ΔW is made of it.
    """

    scaling: Scaling
    alphas: Mapping[str, tuple[str, float]]
    magnitudes: Mapping[str, str]
    parameters: Mapping[str, str]
    turned: Mapping[str, bool]
    grouped: Collection[str]
    paths: Mapping[str, str]
    initial: Initial | None


def _read(files: AdapterFiles) -> Checkpoint:
    check_lora(files.config, files.source)
    check_no_mixture(files)
    named, others = factors_by_path(files, _FACTOR)
    factors, copies_of_heads = without_copies(files, named)
    found = _without_numbers(files, factors)
    found.left_out |= copies_of_heads | dict(of_inner(factors, files.config))
    beside = _beside(files, factors, others)
    for path, pair in factors.items():
        if not found.left_out.keys() & pair.values():
            _read_pair(files, path, pair, beside, found)
    return of_factors(
        files,
        found.updates,
        why=partial(_reason, files),
        left_out=found.left_out,
        settings=files.config,
        notes=tuple(_notes(files, found, beside)),
        placement=Placement(
            frozenset(found.tables),
            copies(files.config, files.source, found.updates, map(module_of, others)),
        ),
        caveats=(
            *columns_unsaid(files, beside.grouped),
            *sides_unsaid(files, {k: v for k, v in found.stacks.items() if k not in beside.turned}),
            *moved_said(files, found.updates),
            *merged_said(files),
            *contradicted(files),
            *base_trained_too(others, files.config),
            *unknown_said(files.config),
            *tied_said(beside.initial, files, found.updates),
        ),
        zero=ZERO,
    )


def _without_numbers(files: AdapterFiles, factors: Mapping[str, Mapping[str, str]]) -> _Reading:
    """A reading that leaves out layers without a side.

    Raises:
        AdapterError: A factor is without its other, or empty.
    """
    check_partners(files.source, factors, "AB")
    found = _Reading()
    for pair in factors.values():
        if why := why_no_sides(files, pair):
            found.left_out |= dict.fromkeys((pair["A"], pair["B"]), why)
    names = (name for pair in factors.values() for name in pair.values())
    check_not_empty(files, (name for name in names if name not in found.left_out))
    return found


def _beside(
    files: AdapterFiles, factors: Mapping[str, Mapping[str, str]], others: Collection[str]
) -> _Beside:
    """From the configuration, and the tensors that are no factors.

    Raises:
        AdapterError: Neither says α; or they contradict each other.
    """
    alphas = _alphas(files, others, factors)
    if not files.config and len(alphas) < len(factors):
        raise AdapterError(
            f"{files.source} has no adapter_config.json beside it, which says α and so the scale of "
            f"every ΔW; put it into the same folder, or what is known of it: "
            f'{{"peft_type": "LORA", "r": …, "lora_alpha": …}}{scale_said(files)}'
        )
    initial = initial_of(files)
    parameters = parameters_of(files, factors)
    check_counts(files, factors, parameters)
    return _Beside(
        scaling=Scaling(files.config),
        alphas=alphas,
        magnitudes=magnitudes_of(files, others, factors),
        parameters=parameters,
        turned=turned_stacks(files, factors, parameters),
        grouped=by_expert(files, parameters.values()),
        paths=unwrapped_paths(path for path in factors if path not in parameters),
        initial=initial,
    )


def _read_pair(
    files: AdapterFiles, path: str, pair: Mapping[str, str], beside: _Beside, found: _Reading
) -> None:
    """One module's factors: its update, or a stack's, or why there is none."""
    tensors = (pair["A"], pair["B"])
    if path in beside.parameters:
        _read_parameter(files, path, tensors, beside, found)
        return
    if why := why_no_layer(files, *tensors):
        found.left_out |= dict.fromkeys(tensors, why)
        return
    own = beside.paths[path]
    a, b = whole(files.config, own, *(files.factor(name, unfolded=True) for name in tensors))
    name, alpha = beside.alphas.get(path, (None, None))
    # PEFT gives the projection within an attention the settings of the attention.
    around = path.removesuffix(_WITHIN_ATTENTION)
    s = beside.scaling.of(beside.paths.get(around, around), a.shape[0], alpha)
    update = LowRank(a, b, s, (*tensors, *([name] if name else [])))
    if magnitude := beside.magnitudes.get(path):
        update = with_magnitude(files, update, magnitude)
    found.updates[own] = beside.initial.subtracted(update) if beside.initial else update
    found.convolutions += len(files.shape(pair["A"])) > 2
    if ".lora_embedding_" in plain(pair["A"]):
        found.tables.add(own)


def _read_parameter(
    files: AdapterFiles, path: str, tensors: tuple[str, str], beside: _Beside, found: _Reading
) -> None:
    """The factors of one of ``target_parameters``: each expert's update, or the one of a matrix."""
    parameter = beside.parameters[path]
    a, b = (files.factor(name, unfolded=True) for name in tensors)
    if why := why_no_stack(files, path, parameter, a.shape[0]):
        found.left_out |= dict.fromkeys(tensors, why)
        return
    updates = experts(
        files, path, parameter, a, b, tensors,
        turned=beside.turned.get(parameter), grouped=parameter in beside.grouped,
    )  # fmt: skip
    found.updates |= updates
    if parameter not in updates:
        found.stacks[parameter] = (a.shape[1], b.shape[0])


def _reason(files: AdapterFiles, name: str) -> LeftOut:
    """Why a tensor is not analysed.

    Raises:
        AdapterError: PEFT would save it as a part of the update, and it is none that is known, as LoRA-XS's matrix
            between B and A.
    """
    reason = reason_left_out(name, files.config)
    if reason.kind != "other" and _OF_LORA.search(plain(name)):
        raise AdapterError(
            f"{files.source} holds {name}, a part of its update that PEFT's LoRA has not, so that ΔW is no s·B·A: merge it by "
            f"the library that made it, and extract a LoRA of what that changed"
        )
    return reason


def _notes(files: AdapterFiles, found: _Reading, beside: _Beside) -> Iterator[str]:
    """What was read otherwise than two matrices of a linear layer by one scale."""
    stacked = {named_in_peft(path, parameter) for path, parameter in beside.parameters.items()}
    named = {*beside.paths.values(), *stacked}  # what PEFT's patterns meet each module by
    if found.convolutions:
        said = counted(found.convolutions, "module")
        yield f"convolutions are read as matrices of out × in·height·width: {said}"
    if found.tables:
        yield f"embeddings are read as matrices of width × tokens, W0 transposed: {counted(len(found.tables), 'module')}"
    if found.stacks:
        yield f"stacked parameters are read expert by expert: {counted(len(found.stacks), 'module')}"
    if files.config.get("layer_replication"):
        yield "layers are those of the replicated model; W0 is that of the layer that each is a copy of"
    yield from matched_otherwise(files.config)
    yield from twice_said(files.config, named)
    if files.config.get("alora_invocation_tokens"):
        yield "aLoRA: ΔW is added from the invocation tokens on, and not before"
    yield from columns_said(files, beside.grouped)
    yield from matched_nowhere(files.config, {*beside.paths, *named})
    if any(path.endswith(_WITHIN_ATTENTION) for path in beside.paths):
        yield _TWICE
    yield from initial_said(beside.initial)
    yield from norms_said(files, beside.magnitudes)


def _alphas(
    files: AdapterFiles, names: Iterable[str], paths: Mapping[str, object]
) -> dict[str, tuple[str, float]]:
    """Module path → the tensor that says its α, and α."""
    found = {}
    for name in names:
        path, _, last = plain(name).rpartition(".")
        if last != "alpha" or path not in paths:
            continue
        found[path] = (name, files.number(name))
    return found


FORMAT = Format(
    name="peft_lora",
    title="PEFT's LoRA",
    matches=_matches,
    read=_read,
    cannot=(
        "PiSSA and the like without their initial adapter, LoftQ, QA-LoRA, KaSA, MonteCLoRA, Arrow and "
        "MoRA are refused; grouped convolutions, biases, trained tokens and, without their W0, modules trained in "
        "full are left out"
    ),
)
