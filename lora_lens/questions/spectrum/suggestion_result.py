"""Ranks that would hold most of a trained ΔW, as PEFT's patterns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ...labelled import Row, Tidy, html_rows
from ...show.layout import NONE, Table, number, significant
from ...show.text import as_csv, as_json, as_latex, as_markdown
from ...staging import staged
from .peft_keys import pattern_keys

_STEM = "rank-suggestion"


@dataclass(frozen=True)
class SuggestedRank:
    """One module path's rank.

    Attributes:
        name: Full path, as PEFT matches it.
        rank: What it was trained with.
        suggested: Smallest rank that keeps the share of energy asked for; 0 where ΔW is zero.
        kept: The share of ‖ΔW‖_F² that it keeps; None where ΔW is zero.
        scaling: s, which the suggestion keeps.
        features: in + out: parameters a rank.
    """

    name: str
    rank: int
    suggested: int
    kept: float | None
    scaling: float
    features: int


@dataclass(frozen=True)
class RankSuggestion(Tidy):
    """The smallest rank of every layer that keeps a share of ΔW's energy.

    Attributes:
        energy: The share of ‖ΔW‖_F² asked for.
        layers: One entry a module path.
    """

    energy: float
    layers: tuple[SuggestedRank, ...]

    @property
    def rank_pattern(self) -> dict[str, int]:
        """PEFT's ``rank_pattern``: a key a trained module path, which matches that path alone."""
        return {self._keys[one.name]: one.suggested for one in self._trained}

    @property
    def alpha_pattern(self) -> dict[str, float]:
        """PEFT's ``alpha_pattern``: s·r, so that α/r stays s. For ``use_rslora=False``."""
        return {self._keys[one.name]: _short(one.scaling * one.suggested) for one in self._trained}

    @property
    def zero(self) -> tuple[str, ...]:
        """Module paths whose ΔW is zero: to be left out of ``target_modules``."""
        return tuple(one.name for one in self.layers if not one.suggested)

    @property
    def parameters(self) -> tuple[int, int]:
        """Numbers in A and B as trained, and under the suggestion."""
        before = sum(one.rank * one.features for one in self.layers)
        return before, sum(one.suggested * one.features for one in self.layers)

    @property
    def _trained(self) -> tuple[SuggestedRank, ...]:
        return tuple(one for one in self.layers if one.suggested)

    @cached_property
    def _keys(self) -> dict[str, str]:
        return pattern_keys([one.name for one in self.layers])

    def snippet(self) -> str:
        """Arguments of PEFT's ``LoraConfig``, as Python, ready to paste."""
        parts = [
            f"rank_pattern={_python(self.rank_pattern)},",
            f"alpha_pattern={_python(self.alpha_pattern)},",
            "use_rslora=False,",
        ]
        return "\n".join(parts) + "\n"

    def rows(self) -> list[Row]:
        """One row a module path."""
        return [dict(vars(one)) for one in self.layers]

    def to_dict(self) -> Row:
        """For JSON."""
        before, after = self.parameters
        return {
            "energy": self.energy,
            "layers": self.rows(),
            "rank_pattern": self.rank_pattern,
            "alpha_pattern": self.alpha_pattern,
            "use_rslora": False,
            "zero": list(self.zero),
            "parameters": before,
            "suggested_parameters": after,
        }

    @property
    def summary(self) -> str:
        """What it comes to, in one line."""
        before, after = self.parameters
        return (
            f"Smallest ranks that keep {100 * self.energy:g} % of ΔW's energy: "
            f"{after:,} of {before:,} parameters"
        )

    def to_markdown(self) -> str:
        """The table, as GitHub's Markdown."""
        return as_markdown([suggestion_table(self)])

    def to_latex(self) -> str:
        """The table, for LaTeX with ``booktabs``."""
        return as_latex([suggestion_table(self)], _STEM)

    def save(self, folder: str | Path) -> list[str]:
        """Write the table as Markdown, LaTeX and CSV, the numbers as JSON and PEFT's patterns, all or nothing.

        Returns:
            The files' names.

        Raises:
            OutputError: The folder cannot be written.

        Example:
            >>> import lora_lens as ll, tempfile
            >>> found = ll.suggest_ranks(ll.load_adapter(ll.demo_adapter("lora")))
            >>> found.save(tempfile.mkdtemp())
            ['rank-suggestion.csv', 'rank-suggestion.json', 'rank-suggestion.md', 'rank-suggestion.tex', 'rank-suggestion.txt']
        """
        texts = {
            "csv": as_csv(self.rows()),
            "json": as_json(self.to_dict()),
            "md": self.to_markdown(),
            "tex": self.to_latex(),
            "txt": self.snippet(),
        }
        with staged(Path(folder)) as staging:
            for ending, text in texts.items():
                (staging / f"{_STEM}.{ending}").write_text(text, encoding="utf-8")
        return [f"{_STEM}.{ending}" for ending in texts]

    def __repr__(self) -> str:
        return f"<RankSuggestion: {self.summary}>"

    def _repr_html_(self) -> str:
        return html_rows(self.summary, self.rows())


def suggestion_table(result: RankSuggestion) -> Table:
    """Suggested ranks by module path."""
    rows: Sequence[Sequence[str]] = [
        [
            one.name, str(one.rank), str(one.suggested) if one.suggested else NONE,
            number(one.kept), significant(one.scaling),
        ]
        for one in result.layers
    ]  # fmt: skip
    return Table(result.summary, ["path", "rank", "suggested", "kept", "scaling"], rows)


def suggestion_line(result: RankSuggestion) -> str:
    """`RankSuggestion.summary`, under the name that it had first."""
    return result.summary


def _short(alpha: float) -> float:
    """An integer where it is one but for rounding, as PEFT's own files have it."""
    return round(alpha) if abs(alpha - round(alpha)) < 1e-9 * max(1.0, abs(alpha)) else alpha


def _python(pattern: Mapping[str, float]) -> str:
    # json writes strings and numbers as Python does, backslashes doubled included.
    lines = (f"    {json.dumps(key)}: {json.dumps(value)},\n" for key, value in pattern.items())
    return "{\n" + "".join(lines) + "}"
