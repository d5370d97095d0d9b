"""All that was analysed → the text of one HTML file, which asks no network for anything."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from ..show.glossary import WORDS
from ..show.layout import Table
from . import provenance
from .analysed import Analysed
from .marked import marked
from .sections import Section, section
from .summary import glance_table, groups, hedged
from .tables import page_table

_SCRIPTS = ("theme.js", "heatmaps.js", "figures.js", "tables.js")


def render(
    analysed: Analysed, summary: Mapping[str, Any], *, command: str | None, made: str
) -> str:
    """The page; `summary` is `lora_lens.report.summary.told` of it."""
    from jinja2 import Environment, StrictUndefined
    from plotly.offline import get_plotlyjs

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["marked"] = partial(marked, names=_names(analysed))
    template = environment.from_string(_asset("page.html.j2"))
    scripts = [get_plotlyjs(), "\n".join(map(_asset, _SCRIPTS))]
    sections = [
        section(one, f"module-{k}", analysed.label(one.of))
        for k, one in enumerate(analysed.modules)
        if one.answers
    ]
    unread = _unread(analysed)
    beside = provenance.adapters_table(analysed) if len(analysed.adapters) > 1 else None
    chance = {shown.kind: shown.part.chance for one in sections for shown in one.parts}
    found = glance_table(analysed)
    files = provenance.files_table(analysed)
    return template.render(
        kind=provenance.kind(*analysed.adapters),
        names=analysed.names,
        choices=provenance.choices(analysed, command, made),
        made=made,
        facts=provenance.facts(analysed),
        modules=list(dict.fromkeys(one.module for one in analysed.modules)),
        headline=summary["summary"],
        groups=groups(analysed, chance),
        glance=page_table(found) if found.rows else None,
        hedge=hedged(analysed),
        sections=sections,
        files=page_table(files),
        unread=page_table(unread) if unread.rows else None,
        beside=page_table(beside) if beside else None,
        left_out=summary["not_analysed"],
        documentation=provenance.documentation(),
        warnings=[*analysed.warnings, *provenance.changed(files)],
        words=WORDS,
        data=embedded(_data(sections)),
        told=embedded(summary),
        style=_asset("style.css"),
        scripts=scripts,
        policy=_policy(scripts),
    )


def _names(analysed: Analysed) -> set[str]:
    """What strangers called what is on the page: paths and all on them, hub ids, modules."""
    paths = [one.source for one in (*analysed.adapters, *analysed.bases) if one is not None]
    parts = {part for path in paths for part in Path(path).parts}
    return {*paths, *parts, *analysed.names, *(one.module for one in analysed.modules)}


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


_ALONE = "in no numbered layer, so that there are no layers to compare; `lora-lens spectrum` has it"
_IN_FULL = "trained in full, with no factors of low rank; not asked for: --module takes it by its name, and `lora-lens spectrum --module` has its ΔW"


def _unread(analysed: Analysed) -> Table:
    """Tensors and modules of the files that the report is not of."""
    rows = [
        [adapter.source, tensor, why]
        for adapter in analysed.adapters
        for tensor, why in adapter.left_out.items()
    ]
    for k, adapter in enumerate(analysed.adapters):
        asked = analysed.modules_of(k)
        rows += [
            [adapter.source, f"module {name}", _IN_FULL]
            for name in adapter.dense
            if name not in asked
        ]
        rows += [
            [
                adapter.source,
                f"module {name}",
                "not asked for" if name in adapter.in_layers else _ALONE,
            ]
            for name in adapter.modules
            if name not in asked
        ]
    return Table("Left out, and why", ["of", "what", "why"], rows)
