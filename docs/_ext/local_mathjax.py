"""MathJax served from the built pages themselves, so that formulas show without a network.

The package sphinx-mathjax-offline carries MathJax 3.2.2 as npm has it, 24 MB of it; what a page of
TeX needs is one file and its fonts. Its own Sphinx extension would copy everything.
"""

from __future__ import annotations

from importlib.metadata import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphinx.util.fileutil import copy_asset

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_SCRIPT = "tex-chtml.js"
_FONTS = "output/chtml/fonts/woff-v2"


def _packaged() -> Path:
    """Folder of MathJax's built components in the installed package."""
    (script,) = (f for f in files("sphinx-mathjax-offline") or () if f.match(f"mathjax/{_SCRIPT}"))
    return Path(str(script.locate())).parent


def _copy(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        target = Path(app.outdir) / "_static" / "mathjax"
        copy_asset(_packaged() / _SCRIPT, target)
        copy_asset(_packaged() / _FONTS, target / _FONTS)


def setup(app: Sphinx) -> dict[str, Any]:
    """Point Sphinx's MathJax to the copy."""
    app.config.mathjax_path = f"mathjax/{_SCRIPT}"
    app.connect("build-finished", _copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
