"""Which equation made the conversion matrices of what, in words."""

from __future__ import annotations

from collections.abc import Iterator

from .analysed import Analysed, ModuleAnalysis

_CONVENTIONS = {
    "stored": "stored: W0⁻¹Aᵀ and W0⁻¹B, W0 as stored for both (the released code of Kim et al. 2024)",
    "consistent": "consistent: W0⁻ᵀAᵀ and W0⁻¹B, each factor in the space it lives in "
    "(pseudo-inverse where W0 is not square)",
}


def conventions(analysed: Analysed) -> str:
    """The convention of the conversion matrices, or each adapter's or module's where they differ."""
    by_name = _by_convention(analysed)
    if len(by_name) == 1:
        return next(iter(by_name))
    return ", ".join(f"{name} ({', '.join(_having(analysed, name))})" for name in by_name)


def _by_convention(analysed: Analysed) -> dict[str, list[ModuleAnalysis]]:
    found: dict[str, list[ModuleAnalysis]] = {}
    for one in analysed.modules:
        if one.convention is not None:
            found.setdefault(one.convention.name, []).append(one)
    return found


def convention_of(analysed: Analysed, k: int) -> list[str]:
    """An adapter's conventions, each with its modules where there are several."""
    by_name = {
        name: [one.module for one in some if one.of == (k,)]
        for name, some in _by_convention(analysed).items()
    }
    used = {name: modules for name, modules in by_name.items() if modules}
    if len(used) == 1:
        return list(used)
    return [f"{name} ({', '.join(modules)})" for name, modules in used.items()]


def _having(analysed: Analysed, name: str) -> list[str]:
    """What has a convention: modules of one adapter, or adapters, with the modules where not all have it."""
    found = []
    for k, _ in enumerate(analysed.adapters):
        modules = [one.module for one in _by_convention(analysed)[name] if one.of == (k,)]
        if len(analysed.adapters) == 1:
            found += modules
        elif modules:
            whole = len(modules) == len(analysed.modules_of(k))
            found.append(analysed.names[k] + ("" if whole else f" {' and '.join(modules)}"))
    return found


def convention_lines(analysed: Analysed) -> Iterator[str]:
    """What each convention says, of what and why."""
    by_name = _by_convention(analysed)
    for name, some in by_name.items():
        whys = dict.fromkeys(one.convention.why for one in some if one.convention)
        of = "" if len(by_name) == 1 else f"{', '.join(_having(analysed, name))}, "
        yield f"{_CONVENTIONS[name]}; {of}{'; '.join(whys)}"
