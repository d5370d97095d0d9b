"""Trainers whose files loaders take at another s than they trained with, by what a header says of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ...files.json_files import object_of

_BLOCK = 4  # LyCORIS's block_size
_OF_SIMPLETUNER = "lycoris_config"  # its key in a header, under which LyCORIS's arguments stand
_SPLIT = re.compile(r"networks\.lora_\w+")
_CDKA = re.compile("cdka|krona")


def trained_otherwise(header: Mapping[str, str]) -> Iterator[str]:
    """What has to be said of s, by the arguments of the network that a file's header says.

    LyCORIS's DyLoRA trains some of its blocks of rows at a time, b of them with s = α/b; all of them are rank/block_size. A
    file has the factors and α alone, so that loaders take α/rank. sd-scripts' own ``networks.dylora`` has α/rank at the full
    rank.

    LyCORIS's LoKr of two whole matrices has s = 1, and √dim under ``rs_lora``, which its file has in no other way than as an α
    of dim·√dim. Under ``bypass_mode`` LyCORIS adds s·B·A beside the layer, and never comes to the norms of ``dora_wd``,
    which it saves.

    sd-scripts' ``split_qkv`` trains query, key and value (and the MLP of Flux's ``linear1``) of a fused projection each with
    s = α/r, and saves them as one pair of factors of 3r (4r) with the same α.

    CDKA and KronA, of forks of sd-scripts, save a LoKr of two whole matrices, which they train with s = 1, or α over the root of
    w1's columns where they are given an α of their own.

    Example:
        >>> args = '{"algo": "dylora", "block_size": "2"}'
        >>> next(trained_otherwise({"ss_network_module": "lycoris.kohya", "ss_network_args": args}))[:33]
        "the header says LyCORIS's DyLoRA,"
        >>> args = '{"split_qkv": "True"}'
        >>> next(trained_otherwise({"ss_network_module": "networks.lora_flux", "ss_network_args": args}))[:26]
        'the header says split_qkv,'
    """
    theirs = header.get(_OF_SIMPLETUNER)
    said = object_of(theirs or header.get("ss_network_args", ""))
    algorithm = str(said.get("algo")).lower()
    module = "lycoris" if theirs else header.get("ss_network_module", "")
    if algorithm == "dylora":
        yield from _dylora(str(said.get("block_size") or _BLOCK))
    if module.startswith("lycoris"):
        yield from _lycoris(algorithm, said)
    own = said.get("cdka_alpha") or (_is_on(said, "use_cdka_scale") and said.get("krona_alpha"))
    if own and _CDKA.search(module):
        yield (
            "the header says cdka_alpha or krona_alpha, with which CDKA and KronA trained a LoKr of two whole matrices with s = α/√(columns "
            "of lokr_w1), which loaders pass over: ΔW is with s = 1 here"
        )
    if str(said.get("split_qkv")) == "True" and _SPLIT.fullmatch(module):
        yield (
            "the header says split_qkv, which trained the parts of a fused projection (qkv; linear1 of Flux) each with s = "
            "α/r; the file has them at rank 3r (4r) with the same α, of which loaders take α/(3r): ΔW of these modules is with "
            "that here, a third (a quarter) of what was trained"
        )


def _lycoris(algorithm: str, said: Mapping[str, object]) -> Iterator[str]:
    if algorithm == "lokr" and _is_on(said, "rs_lora"):
        yield (
            "the header says LyCORIS's rs_lora, which trained a LoKr of two whole matrices with s = √dim, which loaders pass over: "
            "ΔW of such modules is with s = 1 here"
        )
    if _is_on(said, "dora_wd") and _is_on(said, "bypass_mode"):
        yield (
            "the header says LyCORIS's bypass_mode beside dora_wd, which trained s·B·A alone and saved norms that it did not use: "
            "loaders rescale W0 + s·B·A by them, and so is ΔW here, which is not what was trained"
        )


def _is_on(said: Mapping[str, object], name: str) -> bool:
    return str(said.get(name)).lower() == "true"


def _dylora(size: str) -> Iterator[str]:
    if size == "1":  # of all rank blocks α/rank
        return
    times = f"{size} times" if size.isdecimal() and len(size) < 6 else "block_size times"
    yield (
        f"the header says LyCORIS's DyLoRA, which trained with s = α/(number of blocks), of all of them {times} the α/rank that "
        f"loaders take of its file: ΔW here is with α/rank"
    )
