"""The paper's claims beside what is found."""

from __future__ import annotations

from collections.abc import Sequence

from ....show.layout import Table
from ..claims import Claim


def agreement_table(claims: Sequence[Claim]) -> Table:
    """A row a claim."""
    return Table(
        "The paper's claims beside what is found here",
        ["the paper", "here", ""],
        [[one.claim, one.here, one.verdict] for one in claims],
    )
