"""The options of benchmarks that ask some adapters on one base, keep what they found and print it again."""

from __future__ import annotations

import argparse
from pathlib import Path


def parser_of(text: str | None, *, draws: int) -> argparse.ArgumentParser:
    """Base, adapters, modules, draws, and where the record is."""
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", nargs="?")
    parser.add_argument("adapters", nargs="*", type=Path)
    parser.add_argument("--modules", nargs="*", default=("q", "v"))
    parser.add_argument("--draws", type=int, default=draws)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--print", action="store_true")
    return parser
