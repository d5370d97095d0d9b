"""Pairs of factors by the names of their tensors: which module each is of, that none lacks its partner or its numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from ...bases.quantised.float8 import scales_of
from ...errors import AdapterError
from ...files.peft_names import plain
from ..adapter_files import AdapterFiles
from .one_model import check_one_model

OF_A_TABLE = "factor of an embedding, whose W0 is a table of tokens"
_TABLES = frozenset(
    [
        "embed",
        "embed_in",
        "embed_tokens",
        "embed_tokens_per_layer",
        "embedding",
        "embeddings",
        "position_embedding",
        "position_embedding_table",
        "position_embeddings",
        "tok_embeddings",
        "token_embedding",
        "token_embeddings",
        "word_embeddings",
        "wpe",
        "wte",
    ]
)
Factors = dict[str, dict[str, str]]


def is_table(path: str) -> bool:
    """Whether a module is an embedding, by its name.

    Example:
        >>> is_table("model.embed_tokens"), is_table("vision.patch_embedding")
        (True, False)
    """
    return path.rpartition(".")[2] in _TABLES


def pairs_by_path(
    files: AdapterFiles, pattern: re.Pattern[str], letters: Collection[str] = "AB"
) -> tuple[Factors, list[str]]:
    """`factors_by_path`, of modules that have all of the factors `letters`, none without numbers.

    Raises:
        AdapterError: As `factors_by_path`, `check_partners` and `check_not_empty`.
    """
    factors, others = factors_by_path(files, pattern)
    check_partners(files.source, factors, letters)
    check_not_empty(files, (name for found in factors.values() for name in found.values()))
    return factors, others


def factors_by_path(files: AdapterFiles, pattern: re.Pattern[str]) -> tuple[Factors, list[str]]:
    """Module path → factor → name of its tensor, and the names that are no factor.

    Args:
        files: Of the adapter.
        pattern: Of a plain name: groups ``path``, ``factor``, and ``adapter`` where several could
            share a file; ``table`` and ``adapter_of_table`` in their place, of an embedding.

    Raises:
        AdapterError: Two tensors bear one plain name, several adapters or PEFT models share the file, or a
            factor is empty.
    """
    found: Factors = {}
    others: list[str] = []
    adapters: set[str | None] = set()
    check_one_model(files.source, (name for name in files.names if pattern.fullmatch(plain(name))))
    for name in sorted(files.names):
        match = pattern.fullmatch(plain(name))
        if match is None:
            others.append(name)
            continue
        named = match.groupdict()
        letter = named["factor"] or named.get("table") or ""
        adapters.add(named.get("adapter") or named.get("adapter_of_table"))
        factors = found.setdefault(match["path"], {})
        if len(adapters) > 1:
            raise AdapterError(
                f"{files.source} holds several adapters, named {', '.join(sorted(one or 'nothing' for one in adapters))}; "
                f"expected one: save each in a folder of its own"
            )
        if letter in factors:
            raise AdapterError(f"{factors[letter]} and {name} are the same factor")
        factors[letter] = name
    return found, others


def check_partners(
    source: str, factors: Mapping[str, Mapping[str, str]], wanted: Collection[str]
) -> None:
    """Refuse a module that lacks one of the factors `wanted`, a letter each.

    Raises:
        AdapterError: One does.
    """
    for path, found in factors.items():
        lacking = [letter for letter in wanted if letter not in found]
        if lacking:
            raise AdapterError(
                f"{source}: {next(iter(found.values()))} has no partner, the factor {lacking[0]} of {path}"
            )


def check_not_empty(files: AdapterFiles, names: Iterable[str]) -> None:
    """Refuse tensors without numbers.

    Raises:
        AdapterError: There is one; the message says where such files come from.
    """
    for name in names:
        shape = files.shape(name)
        if 0 in shape and len(shape) > 1:
            raise AdapterError(
                f"{name} has shape {'x'.join(map(str, shape))} and no numbers: a layer without outputs or inputs, or of "
                f"rank 0, has no ΔW; expected factors of a layer that has"
            )
        if 0 in shape:
            raise AdapterError(
                f"{name} is empty, as DeepSpeed's ZeRO-3 leaves weights that it has not gathered; save "
                f"again with stage3_gather_16bit_weights_on_model_save, or run zero_to_fp32.py on the "
                f"checkpoint"
            )


def check_not_scaled(source: str, used: Iterable[str], left_out: Collection[str]) -> None:
    """Refuse factors that another tensor of the file scales: their numbers are not those of A and B.

    Args:
        source: Of the adapter.
        used: Names of the factors.
        left_out: Of the tensors that are in no update.

    Raises:
        AdapterError: One is.
    """
    for name in used:
        if scales := scales_of(left_out, name):
            raise AdapterError(
                f"{source} holds {name} and, by its name, what its numbers are to be multiplied by, {scales[0]}: a factor in "
                f"fewer bits, which is not unpacked here; save the adapter again in 16 or 32 bits, or take the file that it "
                f"was made of"
            )
