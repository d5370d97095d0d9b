"""Fourteen methods of PEFT that are no LoRA: which tensors of a file are theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...files.peft_names import plain
from ..adapter_files import AdapterFiles


@dataclass(frozen=True)
class Method:
    """One of them.

    Attributes:
        title: As sentences name it.
        prefix: What its tensors' last components begin with.
    """

    title: str
    prefix: str


METHODS: Mapping[str, Method] = {
    "VERA": Method("VeRA", "vera_"),
    "LOHA": Method("LoHa", "hada_"),
    "LOKR": Method("LoKr", "lokr_"),
    "VBLORA": Method("VB-LoRA", "vblora_"),
    "RANDLORA": Method("RandLoRA", "randlora_"),
    "C3A": Method("C3A", "c3a_"),
    "DELORA": Method("DeLoRA", "delora_"),
    "FOURIERFT": Method("FourierFT", "fourierft_"),
    "GRALORA": Method("GraLoRA", "gralora_"),
    "MISS": Method("MiSS", "miss_"),
    "PSOFT": Method("PSOFT", "psoft_"),
    "TINYLORA": Method("TinyLoRA", "tinylora_"),
    "UNILORA": Method("UniLoRA", "unilora_"),
    "WAVEFT": Method("WaveFT", "waveft_"),
}
_SHARED = "base_model"


@dataclass(frozen=True)
class Contents:
    """The tensors of an adapter of one of these methods.

    Attributes:
        peft_type: PEFT's name of the method, in capitals.
        method: Which.
        layers: Module path → names of its own tensors.
        shared: Names of those that all modules have in common.
    """

    peft_type: str
    method: Method
    layers: Mapping[str, tuple[str, ...]]
    shared: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of all of them."""
        return (*self.shared, *(name for own in self.layers.values() for name in own))


def contents(files: AdapterFiles) -> Contents | None:
    """The tensors of the method that the configuration names; None where that is none of these, or there are none."""
    named = str(files.config.get("peft_type")).upper()
    method = METHODS.get(named)
    if method is None:
        return None
    layers: dict[str, list[str]] = {}
    for name in sorted(files.names):
        path, dot, _ = plain(name).partition(f".{method.prefix}")
        if dot:
            layers.setdefault(path, []).append(name)
    shared = layers.pop(_SHARED, [])
    if not layers and not shared:
        return None
    own = {path: tuple(names) for path, names in layers.items()}
    return Contents(named, method, own, tuple(shared))
