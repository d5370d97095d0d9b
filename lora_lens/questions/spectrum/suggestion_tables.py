"""Ranks that would hold most of ΔW, as text."""

from __future__ import annotations

from ...show.csv_text import as_csv
from ...show.layout import NONE, Table, number, significant
from ...show.text import as_json
from .suggestion_result import RankSuggestion


def texts(result: RankSuggestion) -> dict[str, str]:
    """Every file that is no figure, by its ending; PEFT's patterns where a rank is suggested."""
    found = {
        "csv": as_csv(result.rows()),
        "json": as_json(result.to_dict()),
        "md": result.to_markdown(),
        "tex": result.to_latex(),
    }
    return found | ({"txt": snippet} if (snippet := result.snippet()) else {})


def suggestion_table(result: RankSuggestion) -> Table:
    """Suggested ranks by module path."""
    rows = [
        [
            one.name, str(one.rank), str(one.suggested) if one.suggested else NONE,
            number(one.kept), significant(one.scaling),
        ]
        for one in result.layers
    ]  # fmt: skip
    return Table(result.summary, ["path", "rank", "suggested", "kept", "scaling"], rows)
