"""All that was analysed → the text of one HTML file, which asks no network for anything."""

from __future__ import annotations

import base64
import hashlib
import json
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

from ..adapter import Adapter
from ..errors import MissingExtraError, ModuleLookupError
from ..files.adapter_folders import distinguishing_names
from ..show.layout import Table
from ..subspaces.selection import select_module
from . import provenance
from .analysis import Analysed
from .sections import Section, section
from .summary import glance_table, groups, headline, hedged, told
from .tables import page_table

_SCRIPTS = ("theme.js", "heatmaps.js", "figures.js", "tables.js")


def check_libraries() -> None:
    """Find out early that the extra is there.

    Raises:
        MissingExtraError: plotly or jinja2 is not installed.
    """
    try:
        import jinja2
        import plotly
    except ImportError as error:
        raise MissingExtraError(
            f'a report needs the extra: pip install "lora-lens[report]" ({error})'
        ) from error
    del jinja2, plotly


def render(analysed: Analysed, *, command: str | None, made: str) -> str:
    """The page."""
    from jinja2 import Environment, StrictUndefined
    from plotly.offline import get_plotlyjs

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_asset("page.html.j2"))
    scripts = [get_plotlyjs(), "\n".join(map(_asset, _SCRIPTS))]
    sections = [section(one, f"module-{k}") for k, one in enumerate(analysed.modules)]
    left_out = _left_out(analysed, sections)
    chance = {shown.kind: shown.part.chance for one in sections for shown in one.parts}
    found = glance_table(analysed)
    return template.render(
        names=_names(analysed),
        choices=provenance.choices(analysed, command, made),
        made=made,
        method=provenance.method(analysed.adapter),
        base=provenance.base_named(analysed),
        convention=provenance.conventions(analysed),
        headline=headline(analysed),
        groups=groups(analysed, chance),
        glance=page_table(found) if found.rows else None,
        hedge=hedged(analysed),
        sections=sections,
        files=page_table(provenance.files_table(analysed)),
        left_out=page_table(left_out) if left_out.rows else None,
        warnings=analysed.warnings,
        data=embedded(_data(sections)),
        told=embedded(told(analysed)),
        style=_asset("style.css"),
        scripts=scripts,
        policy=_policy(scripts),
    )


def _names(analysed: Analysed) -> tuple[str, ...]:
    """The adapters' folders, with as much of their paths as tells them apart."""
    sources = [one.source for one in (analysed.adapter, analysed.other) if one is not None]
    last = [Path(source).name or source for source in sources]
    return tuple(last) if len(set(last)) == len(last) else distinguishing_names(sources)


def _asset(name: str) -> str:
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _data(sections: list[Section]) -> dict[str, Any]:
    return {
        drawn.figure.name: drawn.spec
        for one in sections
        for part in one.parts
        for drawn in part.figures
    }


def embedded(data: Any) -> str:
    """JSON that no text in it can end the script element of."""
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _policy(scripts: list[str]) -> str:
    """A content security policy: nothing is fetched, and only the page's own two scripts run."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        f"base-uri 'none'; form-action 'none'"
    )


def _alone(other: Adapter, adapter: Adapter) -> list[str]:
    """Modules of `other` that no module of `adapter` pairs with."""
    paired = set()
    for name in adapter.in_layers:
        with suppress(ModuleLookupError):
            paired.add(select_module(other, name).module)
    return [name for name in other.in_layers if name not in paired]


_ALONE = "in no numbered layer, so that there are no layers to compare; `lora-lens spectrum` has it"


def _left_out(analysed: Analysed, sections: list[Section]) -> Table:
    rows = [
        [adapter.source, tensor, why]
        for adapter in (analysed.adapter, analysed.other)
        if adapter is not None
        for tensor, why in adapter.left_out.items()
    ]
    rows += [[one.module, what, why] for one in sections for what, why in one.left_out]
    if analysed.other is not None:
        rows += [
            [
                analysed.other.source,
                f"module {name}",
                f"{analysed.adapter.source} has no such module",
            ]
            for name in _alone(analysed.other, analysed.adapter)
        ]
    asked, layered = {one.module for one in sections}, analysed.adapter.in_layers
    rows += [
        [analysed.adapter.source, f"module {name}", "not asked for" if name in layered else _ALONE]
        for name in analysed.adapter.modules
        if name not in asked
    ]
    return Table("Left out, and why", ["of", "what", "why"], rows)
