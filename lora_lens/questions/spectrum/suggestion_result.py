"""Ranks that would hold most of a trained ΔW, as PEFT's patterns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import LensError
from ...formats.peft.keys import as_saved, exclusion, pattern_keys
from ...labelled import Brief, Comparable, Row, Tidy, html_rows
from ...show.layout import Table
from ...show.paper import Paper, paper
from ...show.text import as_latex, as_markdown
from ...staging import staged
from ..question import drawn
from . import QUESTION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STEM = "rank-suggestion"
NO_RANK = "no rank is suggested of DoRA: its ΔW is of full rank, and the share of s·B·A's energy that a cut keeps is not that of ΔW's"


@dataclass(frozen=True, repr=False, eq=False)
class SuggestedRank(Brief):
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


@dataclass(frozen=True, eq=False)
class RankSuggestion(Tidy, Comparable):
    """The smallest rank of every layer that keeps a share of ΔW's energy.

    Attributes:
        energy: The share of ‖ΔW‖_F² asked for.
        layers: One entry a module path.
        full_rank: Module paths of DoRA, of which no rank is suggested.
    """

    energy: float
    layers: tuple[SuggestedRank, ...]
    full_rank: tuple[str, ...] = ()

    @property
    def rank_pattern(self) -> dict[str, int]:
        """PEFT's ``rank_pattern``: a key a trained module path, which matches that path alone."""
        return {self._keys[one.name]: one.suggested for one in self._trained}

    @property
    def alpha_pattern(self) -> dict[str, float]:
        """PEFT's ``alpha_pattern``: s·r, so that α/r stays s. For ``use_rslora=False``."""
        return {
            self._keys[one.name]: as_saved(one.scaling * one.suggested) for one in self._trained
        }

    @property
    def exclude_modules(self) -> list[str] | str:
        """PEFT's ``exclude_modules`` (0.14 and later): the paths in `zero`, which would take the default r otherwise.

        Where one of them is also the end of another module's path, one regular expression of them all.
        """
        return exclusion(self.zero, [one.name for one in self._trained])

    @property
    def zero(self) -> tuple[str, ...]:
        """Module paths whose ΔW is zero: no rank is theirs."""
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
        """Arguments of PEFT's ``LoraConfig``, as Python, ready to paste; empty where no rank is suggested."""
        if not self._trained:
            return ""
        parts = [
            f"rank_pattern={_python(self.rank_pattern)},",
            f"alpha_pattern={_python(self.alpha_pattern)},",
            "use_rslora=False,",
        ]
        if self.zero:
            parts.append(f"exclude_modules={json.dumps(self.exclude_modules, indent=4)},")
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
            "exclude_modules": self.exclude_modules,
            "zero": list(self.zero),
            "full_rank": list(self.full_rank),
            "parameters": before,
            "suggested_parameters": after,
        }

    @property
    def summary(self) -> str:
        """What it comes to, in one line."""
        before, after = self.parameters
        if self.layers and not self._trained:
            return "No rank is suggested: ΔW is zero in every layer"
        found = (
            f"Smallest ranks that keep {100 * self.energy:g} % of ΔW's energy: "
            f"{after:,} of {before:,} parameters"
        )
        if not self.full_rank:
            return found
        return f"{found}; {NO_RANK}" if self.layers else f"N{NO_RANK[1:]}"

    def to_markdown(self) -> str:
        """The table, as GitHub's Markdown."""
        return as_markdown([self._table()])

    def to_latex(self) -> str:
        """The table, for LaTeX with ``booktabs``."""
        return as_latex([self._table()], _STEM)

    def _table(self) -> Table:
        found: Table = QUESTION.part("suggestion_tables").suggestion_table(self)
        return found

    def plot(self, *, width: float | str | None = None, style: str | Path | None = None) -> Figure:
        """The suggested ranks, a row a module and a column a layer, drawn by matplotlib.

        Args:
            width, style: As in ``lora_lens.questions.answer.Answer.plot``.

        Raises:
            LensError: No rank is suggested: of DoRA, or of a module that was trained in full.
            SettingsError: There is no such style, or that is no width.

        Example:
            >>> import lora_lens as ll
            >>> found = ll.suggest_ranks(ll.load_adapter(ll.demo_adapter("lora")))
            >>> [text.get_text() for text in found.plot().axes[0].texts[:6]]
            ['1', '2', '2', '1', '1', '1']
        """
        return self._drawn(paper(width, style))

    def _drawn(self, drawn_for: Paper) -> Figure:
        self._check_drawn()
        return drawn(QUESTION.part("suggestion_figures").suggestion_sheet(self), drawn_for)

    def _check_drawn(self) -> None:
        if not self.layers:
            raise LensError("no rank is suggested here, and there is nothing to draw")

    def save(
        self,
        folder: str | Path,
        *,
        width: float | str | None = None,
        style: str | Path | None = None,
    ) -> list[str]:
        """Write figure, table (Markdown, LaTeX, CSV), numbers (JSON) and PEFT's patterns, all or nothing.

        Args:
            folder: Made if it is not there.
            width, style: Of the figure, as in ``plot``.

        Returns:
            The files' names.

        Raises:
            LensError, OutputError: As ``plot``; or the folder cannot be written.
            SettingsError: There is no such style, or that is no width.

        Example:
            >>> import lora_lens as ll, tempfile
            >>> found = ll.suggest_ranks(ll.load_adapter(ll.demo_adapter("lora")))
            >>> names = found.save(tempfile.mkdtemp())
            >>> " ".join(name.removeprefix("rank-suggestion") for name in names)
            '.csv .json .md .tex .txt .png .svg .pdf'
        """
        self._check_drawn()
        from ...show.files import write_figures

        drawn_for = paper(width, style)
        texts: Mapping[str, str] = QUESTION.part("suggestion_tables").texts(self)
        with staged(Path(folder)) as staging:
            for ending, text in texts.items():
                (staging / f"{_STEM}.{ending}").write_text(text, encoding="utf-8")
            figures = write_figures({_STEM: self._drawn(drawn_for)}, staging, paper=drawn_for)
        return [*(f"{_STEM}.{ending}" for ending in texts), *figures]

    def __repr__(self) -> str:
        return f"<RankSuggestion: {self.summary}>"

    def _repr_html_(self) -> str:
        return html_rows(self.summary, self.rows())


def _python(pattern: Mapping[str, float]) -> str:
    # json writes strings and numbers as Python does, backslashes doubled included.
    lines = (f"    {json.dumps(key)}: {json.dumps(value)},\n" for key, value in pattern.items())
    return "{\n" + "".join(lines) + "}"
