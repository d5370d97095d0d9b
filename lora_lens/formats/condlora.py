"""CondLoRA as lora-lens saves it: ``query.theta_A`` and ``query.theta_B``, the layers in the configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..errors import AdapterError
from ..updates import Convention, FromW0
from .adapter_files import AdapterFiles
from .factors.shared_theta import numbers_in, thetas_named
from .format import Checkpoint, Format, Thetas
from .peft.names import reason_left_out
from .peft.settings import Scaling, check_plain

# Another CondLoRA writes the same word: the tensors tell them apart, and the version ours of later.
PEFT_TYPE = "CONDLORA"
VERSION_KEY, VERSION = "condlora_version", 1
_OWN_KEYS = ("condlora_modules", "convention", VERSION_KEY)
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
    return thetas_of(files, VERSION_KEY, VERSION)


def _read(files: AdapterFiles) -> Checkpoint:
    check_plain(files.config, files.source)
    thetas, scaling = _thetas(files), Scaling(files.config)
    updates = {
        path: FromW0(a, b, scaling.of(path, a.shape[1]), thetas.convention, (a.name, b.name))
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
