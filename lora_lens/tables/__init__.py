"""Results → text: for the terminal, and as CSV, JSON, Markdown and LaTeX.

One module a kind of result, of its name: ``tables(result)`` are what its Markdown and LaTeX files
hold, ``terminal(result, console)`` what a command prints.
"""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "amplification", "comparison", "dynamics", "inventory", "matrix", "rank_grids", "shared",
    "similarity", "spectrum",
]  # fmt: skip
