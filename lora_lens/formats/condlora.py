"""CondLoRA as lora-lens saves it: ``query.theta_A`` and ``query.theta_B``, the layers in the configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..errors import AdapterError
from ..sources import GENERATOR, SOURCES, Source, StandIn, stand_ins
from ..updates import Convention, FromW0
from .adapter_files import AdapterFiles
from .factors.shared_theta import numbers_in, thetas_named
from .format import Checkpoint, Format, Thetas
from .peft.names import reason_left_out
from .peft.settings import Scaling, check_plain

# Another CondLoRA writes the same word: the tensors tell them apart, and the version ours of later.
PEFT_TYPE = "CONDLORA"
VERSION_KEY, VERSION = "condlora_version", 1
WITH_SOURCE = 2  # the version of files whose factors are not made of W0, which readers before it would take for W0's
# What is made in W0's place, and how; none is in a file whose factors are made of W0.
SOURCE_KEY, SHIFT_KEY, GENERATOR_KEY, SHA256_KEY = (
    "source", "condlora_shift", "condlora_generator", "condlora_sha256",
)  # fmt: skip
_OWN_KEYS = (
    "condlora_modules", "convention", VERSION_KEY, SOURCE_KEY, SHIFT_KEY, GENERATOR_KEY, SHA256_KEY,
)  # fmt: skip
THETA = re.compile(r"(?P<module>.+)\.theta_(?P<factor>[AB])")


def _matches(files: AdapterFiles) -> bool:
    return files.config.get("peft_type") == PEFT_TYPE and files.holds(THETA)


def thetas_of(files: AdapterFiles, version_key: str, reads: int) -> Thetas:
    """θ in lora-lens's own files, whose version is checked first.

    Raises:
        AdapterError: The version is not the one that is read here; or θ, its layers or the convention is missing.
    """
    version = files.config.get(version_key, reads)  # the first files had no such key
    if version != reads:
        raise AdapterError(
            f"{files.source} has {version_key} {version!r}, and this lora-lens reads {reads}; update it"
        )
    found, others = thetas_named(files, THETA, transposed=False)
    return Thetas(found, _listed_layers(files, found), convention_of(files), tuple(others))


def _thetas(files: AdapterFiles) -> Thetas:
    source = _source(files)
    found = thetas_of(files, VERSION_KEY, VERSION if source == "w0" else WITH_SOURCE)
    return replace(found, stand_ins=_stand_ins(files, source, found.layers or {}))


def _source(files: AdapterFiles) -> Source:
    """What A and B are made of, as the configuration says."""
    said = files.config.get(SOURCE_KEY, "w0")
    for source in SOURCES:
        if said == source:
            return source
    raise AdapterError(
        f"{files.source}: the source is {said!r}, expected one of {', '.join(SOURCES)}"
    )


def _stand_ins(
    files: AdapterFiles, source: Source, layers: Mapping[str, list[str]]
) -> dict[str, StandIn]:
    """Path of each layer to what stands for its W0."""
    config, sha256 = files.config, None
    if source == "gaussian":
        sha256 = config.get(SHA256_KEY)
        if config.get(GENERATOR_KEY) != GENERATOR:
            raise AdapterError(
                f"{files.source}: its Gaussian matrices are drawn by {config.get(GENERATOR_KEY)!r}, and this lora-lens draws by "
                f"{GENERATOR!r}; update it"
            )
        for module, paths in layers.items():
            sums = sha256.get(module) if isinstance(sha256, Mapping) else None
            if not isinstance(sums, list) or len(sums) != len(paths):
                raise AdapterError(
                    f"{files.source}: {SHA256_KEY} does not list the checksums of {module!r}, one a layer"
                )
    shift = config.get(SHIFT_KEY) if source == "shuffled" else 1
    if type(shift) is not int:
        raise AdapterError(
            f"{files.source}: {SHIFT_KEY} is {shift!r}, expected a whole number of layers"
        )
    return stand_ins(source, layers, shift=shift, sha256=sha256)


def _read(files: AdapterFiles) -> Checkpoint:
    check_plain(files.config, files.source)
    thetas, scaling = _thetas(files), Scaling(files.config)
    updates = {
        path: FromW0(
            a,
            b,
            scaling.of(path, a.shape[1]),
            thetas.convention,
            (a.name, b.name),
            thetas.stand_ins.get(path),
        )
        for module, paths in (thetas.layers or {}).items()
        for a, b in [thetas.modules[module]]
        for path in paths
    }
    return Checkpoint(
        method="condlora",
        title="CondLoRA",
        updates=updates,
        left_out={name: reason_left_out(name, files.config) for name in thetas.others},
        trainable_parameters=numbers_in(thetas.modules.values()),
        convention=thetas.convention,
        settings={key: value for key, value in files.config.items() if key not in _OWN_KEYS},
        caveats=_said(thetas.stand_ins),
        stand_ins=thetas.stand_ins,
    )


def _said(found: Mapping[str, StandIn]) -> tuple[str, ...]:
    """That A and B are not made of W0, where they are not."""
    one = next(iter(found.values()), None)
    if one is None:
        return ()
    return (
        f"A and B of this CondLoRA adapter are made of {SOURCES[one.source]} in W0's place (source {one.source})",
    )


def convention_of(files: AdapterFiles) -> Convention:
    """How A is made of θ_A and W0, as the configuration says."""
    convention = files.config.get("convention")
    if convention == "stored":
        return "stored"
    if convention == "consistent":
        return "consistent"
    raise AdapterError(
        f"{files.source}: the convention is {convention!r}, expected 'stored' or 'consistent'"
    )


def _listed_layers(files: AdapterFiles, modules: Iterable[str]) -> dict[str, list[str]]:
    """Target module → the paths of its layers."""
    listed = files.config.get("condlora_modules")
    found: dict[str, list[str]] = {}
    for module in modules:
        paths = listed.get(module) if isinstance(listed, Mapping) else None
        if not isinstance(paths, list) or not paths or not all(isinstance(p, str) for p in paths):
            raise AdapterError(
                f"{files.source}: condlora_modules does not list the layers of {module!r}"
            )
        found[module] = list(paths)
    return found


FORMAT = Format(
    name="condlora",
    title="lora-lens's CondLoRA",
    matches=_matches,
    read=_read,
    cannot="what is trained beside θ is left out",
    thetas=_thetas,
)
