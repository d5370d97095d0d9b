"""What a survey has found: its folder, some sentences, and tables that are read when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import LensError
from .table import parquet

if TYPE_CHECKING:
    from pandas import DataFrame

    from ..show.layout import Table


@dataclass(frozen=True)
class SurveyResult:
    """A survey's folder and what is said of it.

    Attributes:
        out: The folder.
        sentences: What is seen, each thing in one.
        adapters: How many are in the tables.
        places: Modules in layers.
        missing: Of these, how many have no file: another shard's, or failed.
        failed: What is left out, each with a line that says why.
        files: Names of the tables' files.
        place_files: Place to its file: (module, layer) to a path below `out`.
        numbers: All that the summary's files hold.
        tables: As much for people as a terminal has room for: of many places least, median and most, of shared directions one k.
        whole_tables: The same with every place and every k.
        notes: What a reader should know.
    """

    out: Path
    sentences: tuple[str, ...]
    adapters: int
    places: int
    missing: int
    failed: tuple[tuple[str, str], ...]
    files: tuple[str, ...]
    place_files: dict[tuple[str, int | None], str]
    numbers: dict[str, Any]
    tables: tuple[Table, ...]
    whole_tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The sentences, one after the other."""
        return " ".join(self.sentences)

    def __repr__(self) -> str:
        return f"<SurveyResult {self.out}: {self.summary}>"

    def table(self, name: str) -> DataFrame:
        """One of the joined tables, as ``pairs``, ``spectrum``, ``places``, ``subspace`` or ``failed``.

        Raises:
            LensError: There is none of that name; the message lists them.
        """
        if f"{name}.parquet" not in self.files:
            have = ", ".join(
                file.removesuffix(".parquet") for file in self.files if file.endswith(".parquet")
            )
            raise LensError(f"no table {name!r} in {self.out}; it has {have or 'none yet'}")
        found: DataFrame = parquet().read_table(self.out / f"{name}.parquet").to_pandas()
        return found

    def to_dict(self) -> dict[str, Any]:
        """For JSON: what is in ``survey.json``, with the notes of this call."""
        return self.numbers | {"notes": list(self.notes)}

    def to_markdown(self) -> str:
        """The sentences, the notes and the whole tables, as GitHub's Markdown."""
        from .page import page

        return page(self.sentences, self.whole_tables, self.notes)

    def _repr_markdown_(self) -> str:
        from .page import page

        return page(self.sentences, self.tables, self.notes)
