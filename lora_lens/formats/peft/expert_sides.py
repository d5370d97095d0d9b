"""Which side A of a stack of experts has: PEFT's versions, the models' classes and other writers differ in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...bases.experts import INPUT_FIRST, UNSAID
from ...errors import AdapterError
from ...several import counted
from ..adapter_files import AdapterFiles
from .automodel import FILE, automodels

# PEFT's version since which A has the input's side, where the model's class says which that is.
_AXES_KNOWN = (0, 19)
# Whose axes transformers 4 has otherwise than 5, or does not say; no file names the version that it was trained with.
_CHANGED = INPUT_FIRST | {"qwen3_vl_moe", "qwen3_vl_moe_text"}
# Where the models have them that do not say it; others have them under ``mlp.experts``.
_AS_IN_LLAMA_4 = (".feed_forward.experts.gate_up_proj", ".feed_forward.experts.down_proj")
# Of hidden states, and into them.
_AT_HIDDEN = ("gate_up_proj", "up_proj", "down_proj")
# Whether A has the output's side, as NeMo AutoModel says it, which writes either and no version of PEFT.
_OF_AUTOMODEL = {"peft-0.18": True, "peft-0.19.1": False}


def turned_stacks(
    files: AdapterFiles, factors: Mapping[str, Mapping[str, str]], parameters: Mapping[str, str]
) -> dict[str, bool]:
    """Of the stacks whose module has both, whether A has the output's side: by their shapes, whoever wrote them.

    Args:
        files: Of the adapter.
        factors: All its paths, with their tensors A and B.
        parameters: From `parameters_of`.
    """
    sides: dict[str, tuple[int, int]] = {}
    for path, parameter in parameters.items():
        a, b = (files.shape(factors[path][letter]) for letter in "AB")
        if len(a) == len(b) == 2:
            sides[parameter] = (a[1], b[0])
    found: dict[str, bool] = {}
    for parameter, (columns, rows) in sides.items():
        module, _, name = parameter.rpartition(".")
        other = f"{module}.down_proj"
        if name != "gate_up_proj" or other not in sides:
            continue
        down_columns, down_rows = sides[other]
        # The gate and the up projection are twice as high as the other is wide, and as wide as it is high.
        straight = (columns, rows) == (down_rows, 2 * down_columns)
        if straight or (rows, columns) == (down_columns, 2 * down_rows):
            found |= {parameter: not straight, other: not straight}
    return found


def is_turned(files: AdapterFiles, parameter: str, columns: int, rows: int) -> bool:
    """Whether A of a stack has the output's side, where no other stack of its module tells.

    Args:
        files: Of the adapter.
        parameter: Path of the stack.
        columns: Of A.
        rows: Of B.

    Raises:
        AdapterError: Nothing tells.
    """
    turned = _told_by_width(files, parameter, columns, rows)
    if turned is None and not _names_peft(files):
        turned = _OF_AUTOMODEL.get(str(automodels(files).get("paramwrapper_layout")))
    return _told_by_version(files, parameter) if turned is None else turned


def sides_unsaid(files: AdapterFiles, stacks: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    """What every question has to say of stacks whose side nothing in the file tells for certain.

    A model in memory is of its own PEFT and transformers.

    Args:
        files: Of the adapter.
        stacks: Path of each of which `turned_stacks` tells nothing, to the columns of its A and the rows of its B.
    """
    if files.live is not None:
        return
    found = sum(_told_by_width(files, path, *sides) is None for path, sides in stacks.items())
    if found and (taken := _taken(files)):
        yield (
            f"which side A of a stack of experts has, nothing tells of {counted(found, 'module')}: it is taken as {taken}; where it was "
            f"otherwise, ΔW of these experts is the transpose of what was trained"
        )


def _taken(files: AdapterFiles) -> str | None:
    """As whose A's side is taken where neither shapes nor widths tell; None where it is certain."""
    types = _model_types(files)
    if not _names_peft(files):
        return None if automodels(files) else "PEFT 0.17 has it, the last that names no version"
    if not _knows_axes(files):  # A has the first axis, which is the input's of some in every PEFT
        if types & INPUT_FIRST:
            return None
        named = f"PEFT {files.config.get('peft_version')}"
        over = f"{named} over transformers 5" if types & _CHANGED else named
        return f"{over} has it, a version that a later PEFT leaves where it saves an adapter again"
    if not types:
        told = "" if files.base_configuration() else ", which --base would tell"
        return f"that of a base whose axes no transformers has changed{told}"
    unsure = types & _CHANGED - UNSAID
    if not unsure:
        return None
    return f"transformers 5 has it of {', '.join(sorted(unsure))}, and transformers 4 has not"


def _knows_axes(files: AdapterFiles) -> bool:
    """Whether PEFT gave A the input's side, as far as the model's class says which that is."""
    version = str(files.config.get("peft_version"))
    return _names_peft(files) and tuple(_numbers(version)) >= _AXES_KNOWN


def _told_by_width(files: AdapterFiles, parameter: str, columns: int, rows: int) -> bool | None:
    """Whether A has the output's side, by which of A's columns and B's rows are as many as the base's hidden states.

    None where that does not tell, or PEFT's version does, the model's axes being the same in every transformers.
    """
    here = files.base_configuration()
    name = parameter.rpartition(".")[2]
    if here is None or name not in _AT_HIDDEN:
        return None
    if _knows_axes(files) and not _model_types(files) & _CHANGED:
        return None
    # Of Nemotron-H experts may be of a space of their own.
    told = (one.settings for one in here.all())
    widths = [one.get("moe_latent_size") or one.get("hidden_size") for one in told]
    if (columns in widths) == (rows in widths):
        return None
    return (columns in widths) == (name == "down_proj")


def _told_by_version(files: AdapterFiles, parameter: str) -> bool:
    """Whether A has the output's side, by PEFT's version and what the base is."""
    version = files.config.get("peft_version")
    types = _model_types(files)
    known = _knows_axes(files)
    if known and not types and f".{parameter}".endswith(_AS_IN_LLAMA_4):
        raise AdapterError(
            f"{files.source} has factors for {parameter} alone, and which of them is on the input's side depends on its "
            f"base, which is not here: pass --base"
        )
    if known:
        return bool(types & UNSAID)
    if automodels(files) and not _names_peft(files):
        raise AdapterError(
            f"{files.source} was saved by a NeMo AutoModel that does not say on which side of {parameter} A is, and no width here "
            f"tells: pass --base; where its experts are as wide within as without, save it again by an AutoModel that writes "
            f"paramwrapper_layout into {FILE}"
        )
    if not types:
        raise AdapterError(
            f"{files.source} was saved by PEFT {version or 'before 0.18'}, which gave A the first axis of stacked experts, "
            f"whichever side that is, and its base is not here to tell: pass --base, or merge it with that PEFT"
        )
    return not types & INPUT_FIRST


def _names_peft(files: AdapterFiles) -> bool:
    """Whether PEFT wrote the configuration, since 0.18: AutoModel's file beside it is then of another adapter."""
    return isinstance(files.config.get("peft_version"), str)


def _numbers(version: str) -> Iterator[int]:
    """The first two."""
    for word in version.split(".")[:2]:
        if not word.isdecimal():
            return
        yield int(word)


def _model_types(files: AdapterFiles) -> set[str]:
    here = files.base_configuration()
    return {one.model_type for one in here.all() if one.model_type} if here else set()
